"""A whole worker as a real process: what it survives, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pulpo
from tests.acceptance.conftest import beanstalkd_place, file_place, place  # noqa: F401  # fixtures
from tests.lab.place import Place
from tests.lab.processes import is_alive, until
from tests.worker import poison

MODULE = "tests.worker.poison"


def publish(place: Place, *messages: pulpo.Message) -> list[str]:  # noqa: F811
    with place.app() as app:
        return [ref.id for ref in app.publish_many(messages)]


def goods(count: int) -> list[pulpo.Message]:
    return [poison.good.message(n) for n in range(count)]


def test_poison_is_buried_and_nobody_beside_it(place: Place) -> None:  # noqa: F811
    deadly = [
        poison.segfault.message(),
        poison.leave.message(0),
        poison.leave.message(3),
        poison.exits.message(),
    ]
    ids = publish(place, *goods(60), *deadly, *goods(60))[60:64]

    with place.worker(module=MODULE) as worker:
        worker.ready()
        until(lambda: place.stats() | {"paused": 0} == _only(buried=4), "four buried, nothing else")
        assert worker.runs()
        assert worker.stop() == 0

    assert {job["id"] for job in place.waiting()} == set(ids)
    errors = [place.show(buried)["error"] for buried in ids]
    assert "signal 11 (SIGSEGV)" in errors[0]
    assert "exit code 0" in errors[1]
    assert "exit code 3" in errors[2]
    assert "SystemExit: enough" in errors[3]


def _only(**counts: int) -> dict[str, int]:
    return {"ready": 0, "delayed": 0, "reserved": 0, "buried": 0, "paused": 0, **counts}


def test_nothing_is_written_into_a_file_that_has_got_the_number_of_a_closed_one(
    place: Place,  # noqa: F811
) -> None:
    kept = place.folder / "kept"
    kept.write_bytes(text := b"x" * 20_000)
    (squatter,) = publish(place, poison.squats.message(str(kept)))

    with place.worker("--processes", "1", "--threads", "2", module=MODULE) as worker:
        worker.ready()
        until(lambda: place.stats()["buried"] == 1, "the handler that takes its numbers is buried")
        publish(place, *goods(20))
        until(lambda: place.stats()["ready"] == 0, "good jobs run in a successor")
        assert worker.stop() == 0

    assert kept.read_bytes() == text
    assert [job["id"] for job in place.waiting()] == [squatter]


def test_a_handler_that_holds_the_interpreter_costs_its_process(file_place: Place) -> None:  # noqa: F811
    publish(file_place, poison.holds.message())

    with file_place.worker("--processes", "1", module=MODULE) as worker:
        until(lambda: worker.said("died"), "the death of a silent process")
        (died,) = worker.said("died")
        assert "no beat" in died["reason"]
        publish(file_place, *goods(5))
        until(lambda: file_place.stats()["ready"] == 0, "good jobs run in its successor")


def test_a_stopped_process_loses_its_jobs_to_another(file_place: Place) -> None:  # noqa: F811
    file_place.published(file_place.produce(1, 200, "--batch=100", "--seconds=0.012"))

    with file_place.worker() as worker:
        file_place.wait_for("done", 20)
        frozen = worker.children()[0]
        os.kill(frozen, signal.SIGSTOP)
        file_place.wait_until_all_done()
        until(lambda: not is_alive(frozen), "the end of the frozen process")
        assert worker.stop() == 0
    assert file_place.stats()["buried"] == 0


def test_an_idle_process_runs_the_job_of_a_killed_one_at_once(file_place: Place) -> None:  # noqa: F811
    folder = file_place.ledger.folder
    with file_place.worker(module="tests.worker.drowsy") as worker:
        worker.ready()
        until(lambda: (folder / "loads").stat().st_size == 2, "both processes load")
        publish(file_place, pulpo.Message(type="drowsy.stays", body={}))
        until(lambda: len(_pids(folder)) == 1, "its first run")
        time.sleep(0.5)

        killed = time.monotonic()
        os.kill(_pids(folder)[0], signal.SIGKILL)
        until(lambda: len(_pids(folder)) == 2, "its second run")

        assert time.monotonic() - killed < 1.5
    assert len(set(_pids(folder))) == 2


def _pids(folder: Path) -> list[int]:
    runs = folder / "runs"
    return [int(pid) for pid in runs.read_text().split()] if runs.exists() else []


def test_no_process_outlives_its_supervisor(file_place: Place) -> None:  # noqa: F811
    with file_place.worker(module=MODULE) as worker:
        worker.ready()
        orphans = worker.kill()
        assert len(orphans) == 2
        until(lambda: not any(map(is_alive, orphans)), "the end of its processes", patience=3)


def test_a_job_longer_than_every_grace_never_becomes_a_suspect(place: Place) -> None:  # noqa: F811
    with place.app() as app:
        (ref,) = app.publish_many([pulpo.Message(type="ledger.gated", body={})])

    for deploy in range(3):
        with place.worker("--grace", "0.1s", "--processes", "1") as worker:
            place.wait_for("begun", deploy + 1)
            assert worker.stop() == 0
        until(lambda: place.stats()["ready"] == 1, "the job is back")
    (place.ledger.folder / "gate").touch()
    with place.worker("--burst", "--processes", "1") as worker:
        assert worker.wait() == 0
        assert not worker.said("died")

    assert {entry.facts["attempt"] for entry in place.ledger.read("begun")} == {1}
    assert [entry.id for entry in place.ledger.read("done")] == [ref.id]


def test_every_way_to_say_stop_ends_well(file_place: Place) -> None:  # noqa: F811
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with file_place.worker(module=MODULE) as worker:
            worker.ready()
            assert worker.stop(number) == 0


def test_a_second_signal_means_now(file_place: Place) -> None:  # noqa: F811
    with file_place.app() as app:
        app.publish(pulpo.Message(type="ledger.gated", body={}))

    with file_place.worker("--processes", "1") as worker:
        file_place.wait_for("begun", 1)
        worker.send()
        until(lambda: worker.said("stopping"), "the first signal is heard")
        time.sleep(0.3)  # so close together they would be one
        started = time.monotonic()
        worker.stop()
        assert time.monotonic() - started < 5  # the grace is 25 s
    until(lambda: file_place.stats()["ready"] == 1, "the job is back")


def test_the_start_line_says_what_it_works_with(file_place: Place) -> None:  # noqa: F811
    with file_place.worker("--threads", "3", module=MODULE) as worker:
        worker.ready()
        (line,) = worker.said("started")

    assert line["queues"] == "default"
    assert "poison.exit" in line["types"]
    assert line["engine"].startswith("sqlite:///")
    assert (line["processes"], line["threads"], line["async_slots"]) == (2, 3, 100)
    assert json.dumps(line)
