"""What becomes of a job, from the call to what an operator sees: one worker, every ending."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

import pulpo
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, until

TASKS = """
import pulpo
from tests.lab.tasks import LEDGER, begin

@pulpo.job(type="flaky", retries=3, backoff=0)
def flaky(failures):
    run = begin()
    if run.attempt <= failures:
        raise ConnectionError(f"no answer, attempt {run.attempt}")
    LEDGER.note("done", run.id, attempt=run.attempt)

@pulpo.job(type="hopeless", retries=1, backoff=0)
def hopeless():
    begin()
    raise ConnectionError("never any answer")

@pulpo.job(type="big", retries=3, backoff=0)
def big(data):
    run = begin()
    raise ConnectionError(f"no answer at attempt {run.attempt}" + ", and none" * 1_000)

@pulpo.job(type="mortal", fatal=(KeyError,))
def mortal(key):
    begin()
    return {"known": 1}[key]

@pulpo.job(type="picky", transient=(OSError,))
async def picky():
    begin()
    raise ZeroDivisionError("not of those that are worth a retry")

@pulpo.job(type="told")
def told(what):
    run = begin()
    if what == "bury":
        return pulpo.Bury("a person must look")
    if what == "cancel":
        return pulpo.Cancel("nobody wants it")
    if what == "fatal":
        raise pulpo.FatalError("not in this life")
    if what == "later":
        raise pulpo.TransientError("in an hour", delay="1h")
    if what == "snooze" and len([e for e in LEDGER.read("begun") if e.id == run.id]) == 1:
        return pulpo.Snooze("0s")
    LEDGER.note("done", run.id, attempt=run.attempt)

@pulpo.job(type="exits")
def exits():
    begin()
    raise SystemExit(3)
"""


@pytest.fixture
def worker(place: Place) -> Iterator[WorkerProcess]:
    (place.folder / "shop.py").write_text(TASKS)
    with place.worker("--processes", "1", module="shop") as worker:
        yield worker
        assert worker.stop() == 0


def publish(place: Place, *messages: pulpo.Message) -> list[str]:
    with place.app() as app:
        return [reference.id for reference in app.publish_many(messages)]


def ended(worker: WorkerProcess, event: str, job_id: str) -> None:
    until(
        lambda: job_id in {line["id"] for line in worker.said(event)},
        f"{event} of {job_id}",
    )


def attempts(place: Place, job_id: str) -> list[int]:
    return [entry.facts["attempt"] for entry in place.ledger.read("begun") if entry.id == job_id]


def test_failures_are_tried_again_and_the_hopeless_ones_are_buried_with_their_story(
    place: Place, worker: WorkerProcess
) -> None:
    flaky, hopeless, mortal, picky = publish(
        place,
        pulpo.Message(type="flaky", body={"failures": 2}),
        pulpo.Message(type="hopeless", body={}, priority=7, headers={"tenant": "acme"}),
        pulpo.Message(type="mortal", body={"key": "unknown"}),
        pulpo.Message(type="picky", body={}),
    )

    ended(worker, "success", flaky)
    for job_id in (hopeless, mortal, picky):
        ended(worker, "buried", job_id)
    counts = place.stats()
    shown = place.show(hopeless)

    assert attempts(place, flaky) == [1, 2, 3]
    assert attempts(place, hopeless) == [1, 2]
    assert attempts(place, mortal) == attempts(place, picky) == [1]
    assert counts == {"ready": 0, "delayed": 0, "reserved": 0, "buried": 3, "paused": False}
    assert {
        "id": hopeless,
        "queue": "default",
        "state": "buried",
        "type": "hopeless",
        "priority": 7,
        "attempt": 3,
        "body": {},
        "headers": {"tenant": "acme"},
    }.items() <= shown.items()
    assert "Traceback (most recent call last)" in shown["error"]
    assert 'shop.py", line 15, in hopeless' in shown["error"]
    assert shown["error"].endswith("ConnectionError: never any answer")
    assert shown["earlier"] == ["ConnectionError: never any answer"]
    assert "KeyError: 'unknown'" in place.show(mortal)["error"]
    assert "ZeroDivisionError: not of those" in place.show(picky)["error"]


def test_a_kicked_job_gets_one_more_run(place: Place, worker: WorkerProcess) -> None:
    (job_id,) = publish(place, pulpo.Message(type="hopeless", body={}))
    ended(worker, "buried", job_id)

    assert place.pulpo("jobs", "kick", job_id).code == 0

    until(lambda: len(attempts(place, job_id)) == 3, "the run after the kick")
    until(lambda: len(worker.said("buried")) == 2, "its second burial")
    assert place.show(job_id)["state"] == "buried"
    assert len(place.waiting()) == 1


def test_a_handler_says_what_becomes_of_its_job(place: Place, worker: WorkerProcess) -> None:
    whats = ("bury", "cancel", "fatal", "later", "snooze")
    bury, cancel, fatal, later, snooze = publish(
        place, *(pulpo.Message(type="told", body={"what": what}) for what in whats)
    )

    ended(worker, "buried", bury)
    ended(worker, "cancelled", cancel)
    ended(worker, "buried", fatal)
    ended(worker, "retried", later)
    ended(worker, "snoozed", snooze)
    ended(worker, "success", snooze)
    waiting = {job["id"]: job for job in place.waiting()}

    assert waiting.keys() == {bury, fatal, later}
    assert (waiting[bury]["state"], waiting[bury]["error"]) == ("buried", "a person must look")
    assert "FatalError: not in this life" in waiting[fatal]["error"]
    assert (waiting[later]["state"], waiting[later]["attempt"]) == ("delayed", 2)
    assert 3_500 < waiting[later]["due"] <= 3_601
    assert attempts(place, snooze) == [1, 1]


def test_an_expired_job_is_deleted_and_never_run(place: Place, worker: WorkerProcess) -> None:
    past = datetime.now(UTC) - timedelta(seconds=5)
    expired, in_time = publish(
        place,
        pulpo.Message(type="told", body={"what": "run"}, expires=past),
        pulpo.Message(type="told", body={"what": "run"}, expires="1h"),
    )

    ended(worker, "expired", expired)
    ended(worker, "success", in_time)

    assert attempts(place, expired) == []
    assert place.waiting() == []


def test_a_handler_that_calls_sys_exit_fails_and_the_worker_lives(
    place: Place, worker: WorkerProcess
) -> None:
    exits, good = publish(
        place,
        pulpo.Message(type="exits", body={}),
        pulpo.Message(type="told", body={"what": "run"}),
    )

    ended(worker, "buried", exits)
    ended(worker, "success", good)

    assert "SystemExit: 3" in place.show(exits)["error"]
    assert worker.said("died") == []


def test_a_delayed_job_runs_not_before_its_time(place: Place, worker: WorkerProcess) -> None:
    worker.ready()
    before = time.monotonic()
    (job_id,) = publish(place, pulpo.Message(type="told", body={"what": "run"}, delay="1s"))

    assert place.show(job_id)["state"] == "delayed"
    ended(worker, "success", job_id)
    assert place.ledger.read("begun")[0].at - before >= 1.0


def test_a_type_that_the_running_code_does_not_know_waits_for_the_code_that_does(
    place: Place,
) -> None:
    old_code = "import pulpo\n@pulpo.job(type='ledger.anote')\ndef anote(minutes): 1 / 0\n"
    (place.folder / "older.py").write_text(old_code)
    new, unfitting = publish(
        place,
        pulpo.Message(type="ledger.note", body={}),
        pulpo.Message(type="ledger.anote", body={"seconds": 0.0}),
    )

    with place.worker("--processes", "1", module="older") as old:
        ended(old, "bounced", new)
        ended(old, "bounced", unfitting)
        assert old.stop() == 0
    waiting = {job["id"]: (job["state"], job["attempt"]) for job in place.waiting()}
    with place.worker("--processes", "1") as current:
        ended(current, "success", new)
        ended(current, "success", unfitting)
        assert current.stop() == 0

    assert {attempt for _, attempt in waiting.values()} == {1}
    assert waiting.keys() == {new, unfitting}
    assert attempts(place, new) == attempts(place, unfitting) == [1]
    assert place.waiting() == []


def test_the_biggest_job_that_can_be_published_is_counted_and_buried(place: Place) -> None:
    (place.folder / "shop.py").write_text(TASKS)
    with place.app() as app:
        size = largest(app)
        job_id = app.publish(big(size)).id

    with place.worker("--processes", "1", module="shop") as worker:
        ended(worker, "buried", job_id)
        assert worker.stop() == 0

    assert attempts(place, job_id) == [1, 2, 3, 4]
    shown = place.show(job_id)
    assert (shown["state"], shown["attempt"]) == ("buried", 5)
    # Its story gave way, its body did not.
    assert shown["body"] == {"data": "x" * size}
    assert place.stats() == {"ready": 0, "delayed": 0, "reserved": 0, "buried": 1, "paused": False}


def test_a_job_that_leaves_little_room_keeps_what_fits_of_its_errors(place: Place) -> None:
    (place.folder / "shop.py").write_text(TASKS)
    with place.app() as app:
        job_id = app.publish(big(largest(app) - 600)).id

    with place.worker("--processes", "1", module="shop") as worker:
        ended(worker, "buried", job_id)
        assert worker.stop() == 0

    assert attempts(place, job_id) == [1, 2, 3, 4]
    shown = place.show(job_id)
    assert shown["state"] == "buried"
    assert "and none" in shown["error"]


def big(size: int) -> pulpo.Message:
    return pulpo.Message(type="big", body={"data": "x" * size}, queue="default")


def largest(app: pulpo.Pulpo) -> int:
    """Find the size of the largest data that is accepted; leaves no job behind."""
    fits, too_big = 0, 65_536
    with contextlib.closing(app.engine.admin()) as admin:
        while too_big - fits > 1:
            middle = (fits + too_big) // 2
            try:
                accepted = app.publish(big(middle)).id
            except pulpo.JobTooBigError:
                too_big = middle
            else:
                fits = middle
                assert list(admin.delete([accepted])) == [True]
    assert fits > 65_000
    return fits
