"""Who works, as it is told and read back."""

from __future__ import annotations

import json

import pytest

from pulpo.clock import ManualClock
from pulpo.side import SideStore, Write
from pulpo.telling import RunningJob, SeenWorker, forget_worker, read_workers, tell_worker
from pulpo.telling.workers import LASTS

RUNNING = RunningJob(
    slot="thread-1", id="id-1", type="t", queue="q", attempt=2, seconds=3.0, timeout=5.0
)
WORKER = SeenWorker(
    id="host-7-1",
    host="host",
    pid=7,
    worker=6,
    started=1_800_000_000.0,
    queues=("default", "q"),
    types=("t", "u"),
    threads=8,
    async_slots=100,
    busy=1,
    running=(RUNNING,),
)


def test_a_worker_is_read_as_it_was_told(store: SideStore) -> None:
    tell_worker(store, WORKER)

    assert read_workers(store) == (WORKER,)


def test_its_age_and_what_it_runs_go_on_since(store: SideStore, clock: ManualClock) -> None:
    tell_worker(store, WORKER)
    clock.advance(2.5)
    (seen,) = read_workers(store)

    assert (seen.age, seen.running[0].seconds) == (2.5, 5.5)
    assert (RUNNING.is_stuck, seen.running[0].is_stuck) == (False, True)


def test_a_silent_one_disappears(store: SideStore, clock: ManualClock) -> None:
    tell_worker(store, WORKER)
    clock.advance(LASTS)

    assert read_workers(store) == ()


def test_one_that_says_goodbye_is_gone_at_once(store: SideStore) -> None:
    tell_worker(store, WORKER)
    forget_worker(store, WORKER.id)

    assert read_workers(store) == ()


def test_it_says_what_it_serves_and_knows() -> None:
    assert WORKER.serves("q")
    assert not WORKER.serves("other")
    assert WORKER.knows("u")
    assert not WORKER.knows("other")


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'"text"',
        json.dumps({"host": "h", "pid": None}).encode(),
        json.dumps({"host": "h", "pid": 1, "worker": 1, "started": 1, "running": [1]}).encode(),
    ],
)
def test_a_fact_of_no_known_shape_is_left_out(store: SideStore, odd: bytes) -> None:
    tell_worker(store, WORKER)
    store.write([Write(space="workers", key="stranger", value=odd, lasts=60.0)])

    assert read_workers(store) == (WORKER,)


def test_what_a_newer_pulpo_adds_is_no_harm(store: SideStore) -> None:
    tell_worker(store, WORKER)
    (fact,) = store.scan("workers")
    told = json.loads(fact.value) | {"new": [1]}
    store.write(
        [Write(space="workers", key=WORKER.id, value=json.dumps(told).encode(), lasts=LASTS)]
    )

    assert read_workers(store) == (WORKER,)
