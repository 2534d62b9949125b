"""What a worker process tells, when it does, and what becomes of it while nobody listens."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import pulpo
from pulpo.adapters import open_engine
from pulpo.clock import ManualClock
from pulpo.errors import QueueUnavailableError
from pulpo.registry import JobType, Registry
from pulpo.side import SideStore, side_of
from pulpo.telling import ask_stacks, read_minutes, read_stacks, read_workers
from pulpo.worker import teller as teller_module
from pulpo.worker.coroutines import CoroutinePool
from pulpo.worker.decide import SUCCESS
from pulpo.worker.journal import Journal
from pulpo.worker.settings import WorkerParts, WorkerSettings
from pulpo.worker.slots import Slots
from pulpo.worker.tally import Reader, Tally
from pulpo.worker.teller import EVERY, IDLE, LONGEST_PAUSE, Teller, introduce
from pulpo.worker.threads import ThreadPool
from tests.worker.stage import run_of, until


class Spoilt:
    """A side store that fails as long as a test wants it to."""

    def __init__(self, real: SideStore) -> None:
        self.real = real
        self.error: Exception | None = None
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        if self.error is not None and name in ("write", "add", "remove"):
            raise self.error
        self.writes += name == "write"
        return getattr(self.real, name)


class Scene:
    """A teller on a store in memory, and another door to look what it has told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.engine = open_engine("memory://", clock=self.clock)
        self.store = Spoilt(self._open())
        self.door = self._open()
        self.tally = Tally(Reader.SIDE)
        self.stopped = threading.Event()
        self.threads = ThreadPool(2, self.clock, lambda: None)
        coroutines = CoroutinePool(2, self.clock, lambda: None)
        self.slots = Slots(self.threads, coroutines, self.clock)
        self.stream = io.StringIO()
        self.opened: list[SideStore | None] = [self.store]
        registry = Registry()
        registry.add(JobType(type="t", bind=lambda run: print, aliases=("old",), queue="q"))
        self.parts = WorkerParts(self.engine, registry, pulpo.Pulpo("memory://").codec, "memory://")
        myself = introduce(self.parts, WorkerSettings(threads=2), self.clock, supervisor=7)
        self.teller = Teller(
            myself,
            self.slots,
            self.tally,
            self.clock,
            Journal(self.clock, format="json", stream=self.stream),
            open_store=lambda: self.opened[0],
            stopped=self.stopped,
        )

    def _open(self) -> SideStore:
        store = side_of(self.engine)
        assert store is not None
        return store

    def count(self, jobs: int = 1) -> None:
        self.tally.count([(run_of(), SUCCESS, 0.1)] * jobs)

    @property
    def counted(self) -> int:
        return sum(count.jobs for count in read_minutes(self.door, since=0))

    @property
    def said(self) -> list[tuple[str, str]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [(line["level"], line["reason"]) for line in lines]


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    with closing(scene.door):
        yield scene
    scene.threads.stop()


def test_it_tells_who_it_is_and_what_it_has_done(scene: Scene) -> None:
    scene.count(3)
    scene.teller.tell()
    (seen,) = read_workers(scene.door)

    assert (seen.worker, seen.queues, seen.types) == (7, ("default", "q"), ("old", "t"))
    assert (seen.threads, seen.busy, seen.is_stopping) == (2, 0, False)
    assert scene.counted == 3
    assert scene.said == []


def test_it_tells_what_its_slots_run(scene: Scene) -> None:
    gate = threading.Event()
    run = run_of(gate.wait, timeout=5.0)
    scene.threads.submit([run], wake=1)
    until(lambda: run.started)
    scene.clock.advance(6.0)
    scene.teller.tell()
    (seen,) = read_workers(scene.door)
    gate.set()

    (job,) = seen.running
    assert (job.slot, job.id, job.type, job.seconds) == ("thread-1", "id-1", "t", 6.0)
    assert (seen.busy, job.is_stuck) == (1, True)


def test_it_repeats_itself_only_now_and_then(scene: Scene) -> None:
    for _ in range(15):
        scene.teller.tell()
        scene.clock.advance(1.0)
    assert scene.store.writes == 3
    scene.stopped.set()
    scene.teller.tell()
    scene.teller.tell()

    assert scene.store.writes == 4
    assert read_workers(scene.door)[0].is_stopping


def test_it_says_goodbye_with_the_last_counts(scene: Scene) -> None:
    scene.teller.tell()
    scene.count(2)
    scene.teller.end()

    assert read_workers(scene.door) == ()
    assert scene.counted == 2


def test_a_store_that_is_away_is_told_of_once_and_tried_less_and_less(scene: Scene) -> None:
    scene.store.error = QueueUnavailableError("out of reach")
    pauses = []
    for _ in range(8):
        scene.count()
        scene.teller.tell()
        pauses.append(scene.teller.pause)

    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    assert [level for level, _ in scene.said] == ["WARNING"]
    assert "out of reach" in scene.said[0][1]


def test_when_it_is_back_nothing_is_missing(scene: Scene) -> None:
    scene.store.error = QueueUnavailableError("out of reach")
    for _ in range(3):
        scene.count(2)
        scene.teller.tell()
    scene.store.error = None
    scene.teller.tell()

    assert scene.counted == 6
    assert len(read_workers(scene.door)) == 1
    assert [level for level, _ in scene.said] == ["WARNING", "INFO"]
    assert scene.teller.pause == EVERY


def test_an_idle_one_looks_less_often(scene: Scene) -> None:
    scene.count()
    scene.teller.tell()
    busy = scene.teller.pause
    scene.teller.tell()

    assert (busy, scene.teller.pause) == (EVERY, IDLE)


def test_of_what_may_have_been_written_nothing_is_written_twice(scene: Scene) -> None:
    scene.teller.tell()
    scene.count(2)
    scene.store.error = ValueError("a bug of a third party's store")
    scene.teller.tell()
    scene.store.error = None
    scene.count(1)
    scene.teller.tell()

    assert scene.counted == 1
    assert "ValueError: a bug" in scene.said[0][1]


def test_it_does_not_keep_more_than_so_much_for_a_store(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller_module, "MOST_PENDING", 2)
    scene.store.error = QueueUnavailableError("out of reach")
    scene.teller.tell()
    for _ in range(5):
        scene.count()
        scene.clock.advance(60.0)
        scene.teller.tell()
    scene.store.error = None
    scene.teller.tell()

    assert 0 < scene.counted <= 2


def test_it_answers_who_asks_for_its_stacks_once(scene: Scene) -> None:
    gate = threading.Event()
    run = run_of(gate.wait)
    scene.threads.submit([run], wake=1)
    until(lambda: run.started)
    scene.teller.tell()
    (worker,) = read_workers(scene.door)
    before = scene.store.writes
    ask_stacks(scene.door, worker.id)
    scene.clock.advance(0.5)
    for _ in range(3):
        scene.teller.tell()
    asked = read_stacks(scene.door, worker.id)[worker.id]
    gate.set()

    assert scene.store.writes == before + 1
    assert asked.waits is None
    assert asked.answer is not None
    (slot,) = asked.answer.slots
    assert (slot.job.id, slot.job.seconds) == ("id-1", 0.5)
    assert "in wait" in slot.stack


def test_an_idle_one_that_is_asked_says_so_and_again_when_it_is_asked_again(scene: Scene) -> None:
    scene.teller.tell()
    (worker,) = read_workers(scene.door)
    for _ in range(2):
        ask_stacks(scene.door, worker.id)
        scene.clock.advance(2.0)
        scene.teller.tell()
        asked = read_stacks(scene.door, worker.id)[worker.id]

        assert asked.waits is None
        assert asked.answer is not None
        assert (asked.answer.slots, asked.answer.age) == ((), 0.0)


def test_without_a_store_nothing_is_kept(scene: Scene) -> None:
    scene.opened[0] = None
    scene.count()
    scene.teller.tell()
    scene.opened[0] = scene.store
    scene.teller.tell()

    assert scene.counted == 0
    assert scene.said == []
