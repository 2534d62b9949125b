"""Who works, as `pulpo workers` tells it: of real workers, living, dead, stuck and silenced."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from pulpo.message import Message
from pulpo.telling.workers import LASTS
from tests.lab.place import Place
from tests.lab.processes import until


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def workers(place: Place) -> list[dict[str, Any]]:
    said = place.pulpo("workers", "--json")
    assert said.code == 0, said.err
    found: list[dict[str, Any]] = said.lines[0]["workers"]
    return found


def running(place: Place) -> list[dict[str, Any]]:
    return [job for worker in workers(place) for job in worker["running"]]


def publish(place: Place, type: str, **body: object) -> str:
    with place.app() as app:
        return app.publish(Message(type=type, body=body)).id


def test_each_process_is_listed_with_what_it_runs_until_it_stops(place: Place) -> None:
    assert workers(place) == []
    ids = {publish(place, "ledger.gated"), publish(place, "ledger.anote", seconds=30)}

    with place.worker("--threads", "3", "--grace", "0.5s") as worker:
        until(lambda: len(running(place)) == 2, "both jobs in the list")
        found = workers(place)
        (place.ledger.folder / "gate").touch()
        assert worker.stop() == 0

    assert {seen["pid"] for seen in found} <= set(worker._seen)
    assert {seen["worker"] for seen in found} == {worker.pid}
    jobs = [job for seen in found for job in seen["running"]]
    assert {job["id"] for job in jobs} == ids
    assert {job["slot"].rstrip("0123456789") for job in jobs} == {"thread-", "async"}
    assert {(job["queue"], job["attempt"], job["stuck"]) for job in jobs} == {("default", 1, False)}
    for seen in found:
        assert (seen["threads"], seen["queues"]) == (3, ["default"])
        assert "ledger.gated" in seen["types"]
        assert time.time() - 60 < seen["started"] <= time.time()
        assert seen["age"] < LASTS
    assert workers(place) == []


def test_people_see_it_as_a_table(file_place: Place) -> None:
    job_id = publish(file_place, "ledger.gated")

    with file_place.worker("--processes", "1") as worker:
        until(lambda: running(file_place), "the job in the list")
        said = file_place.pulpo("workers")
        (file_place.ledger.folder / "gate").touch()
        assert worker.stop() == 0

    heads, process, _, more, slot = said.out.splitlines()
    assert heads.split() == ["host", "worker", "process", "for", "state", "busy", "slots", "queues"]
    assert process.split()[1] == str(worker.pid)
    assert process.split()[4:] == ["working", "1", "8+100", "default"]
    assert more.split() == ["host", "process", "slot", "type", "id", "queue", "attempt", "for"]
    assert slot.split()[2:7] == ["thread-1", "ledger.gated", job_id, "default", "1"]
    assert (said.code, said.err) == (0, "")


def test_where_nobody_works_that_is_said(place: Place) -> None:
    said = place.pulpo("workers")

    assert (said.code, said.out) == (0, "")
    assert said.err.startswith("no worker is at work")
    # What another host or user knows is not known here, and nobody should be led to think so.
    assert ("side=" in said.err) == (place.server is not None)


def test_a_dead_one_disappears(file_place: Place) -> None:
    with file_place.worker("--processes", "1") as worker:
        until(lambda: workers(file_place), "the worker in the list")
        worker.kill()
        died = time.monotonic()
        until(lambda: not workers(file_place), "its end in the list", pause=0.2)

    assert time.monotonic() - died < LASTS + 3.0


def test_a_signal_prints_what_every_slot_runs(place: Place) -> None:
    ids = {publish(place, "ledger.gated"), publish(place, "ledger.anote", seconds=30)}

    with place.worker("--grace", "0.5s") as worker:
        place.wait_for("begun", 2)
        until(lambda: len(workers(place)) == 2, "both processes at work")
        worker.send(signal.SIGUSR1)
        until(lambda: len(worker.said("running")) == 2, "the stacks of both")
        until(lambda: len(worker.said("slots")) == 2, "a word of both processes")
        (place.ledger.folder / "gate").touch()
        assert worker.stop() == 0
        stacks = {line["id"]: line["stack"] for line in worker.said("running")}
        died = worker.said("died")

    assert set(stacks) == ids
    assert any("in gated" in stack for stack in stacks.values())
    assert any("in anote" in stack for stack in stacks.values())
    assert died == []


def test_its_stacks_are_told_to_who_asks(place: Place) -> None:
    ids = {publish(place, "ledger.gated"), publish(place, "ledger.anote", seconds=30)}

    with place.worker("--grace", "0.5s") as worker:
        place.wait_for("begun", 2)
        until(lambda: len(running(place)) == 2, "both jobs in the list")
        said, table = (
            place.pulpo("workers", "--stacks", "--json"),
            place.pulpo("workers", "--stacks"),
        )
        (place.ledger.folder / "gate").touch()
        assert worker.stop() == 0
        assert worker.said("running") == []

    found = said.lines[0]["workers"]
    slots = {slot["id"]: slot for seen in found for slot in seen["stacks"]}
    assert set(slots) == ids
    assert any("in gated" in slot["stack"] for slot in slots.values())
    assert any("in anote" in slot["stack"] for slot in slots.values())
    assert {(slot["attempt"], slot["stuck"]) for slot in slots.values()} == {(1, False)}
    assert (said.code, table.code, table.err) == (0, 0, "")
    for job_id in ids:
        assert f" {job_id} for " in table.out
    assert "in gated" in table.out


def test_an_idle_process_runs_nothing_and_a_dead_one_does_not_answer(file_place: Place) -> None:
    with file_place.worker("--processes", "1") as worker:
        until(lambda: workers(file_place), "the worker in the list")
        (seen,) = workers(file_place)
        idle = file_place.pulpo("workers", "--stacks")
        worker.kill()
        dead = file_place.pulpo("workers", "--stacks", "--json")

    assert f" {seen['pid']} runs nothing" in idle.out
    assert (idle.code, idle.err) == (0, "")
    assert [told["stacks"] for told in dead.lines[0]["workers"]] == [None]
    assert f"no answer within 5s from process {seen['pid']}: " in dead.err


def test_a_signal_while_code_is_being_loaded_harms_nobody(
    file_place: Place, tmp_path: Path
) -> None:
    (tmp_path / "slow_to_load.py").write_text(
        "import pathlib, time, pulpo\n"
        "pathlib.Path('loading').touch()\n"
        "time.sleep(0.5)\n"
        "@pulpo.job(type='t')\n"
        "def t(): ...\n"
    )
    with file_place.worker("--processes", "1", module="slow_to_load") as worker:
        until((tmp_path / "loading").exists, "a process that loads")
        worker.send(signal.SIGUSR1)
        worker.ready()

        assert worker.stop() == 0
        assert worker.said("died") == []


def test_a_slot_over_its_timeout_is_named(file_place: Place, tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text(
        "import ctypes, pulpo\n"
        "@pulpo.job(type='stuck', timeout=0.2)\n"
        "def stuck():\n"
        "    ctypes.CDLL(None).sleep(60)\n"
        "@pulpo.job(type='slow')\n"
        "def slow():\n"
        "    import time; time.sleep(60)\n"
    )
    job_id = publish(file_place, "stuck")
    publish(file_place, "slow")

    with file_place.worker("--processes", "1", "--grace", "60s", module="stuck"):
        until(lambda: any(job["stuck"] for job in running(file_place)), "the stuck slot")
        # Also after it was given up, for as long as its process lives.
        until(lambda: any(seen["is_stopping"] for seen in workers(file_place)), "its process")
        said = file_place.pulpo("workers")
        (worker,) = workers(file_place)

    (line,) = [line for line in said.out.splitlines() if job_id in line]
    assert line.endswith("stuck: over its 200ms")
    assert f"kill -USR1 {worker['pid']}" in said.err


def test_a_worker_that_is_told_so_tells_nothing(place: Place, state: Path) -> None:
    with place.worker("--no-side", "--burst") as worker:
        publish(place, "ledger.note")
        assert worker.wait() == 0

    assert not state.exists()
    assert workers(place) == []


def test_a_store_that_cannot_be_used_costs_only_history(
    beanstalkd_place: Place, state: Path
) -> None:
    state.write_text("a file where the folder should be")
    place = beanstalkd_place
    with place.worker("--processes", "1") as worker:
        ids = {publish(place, "ledger.note") for _ in range(5)}
        place.wait_for("done", 5)
        until(lambda: worker.said("side"), "a word in the log")
        assert worker.stop() == 0
        said = [(line["level"], line["reason"]) for line in worker.said("side")]

    assert {entry.id for entry in place.ledger.read("done")} == ids
    ((level, reason),) = said
    assert level == "WARNING"
    assert reason.startswith("nothing is told beside the queue for now: ")
    assert place.pulpo("workers").code == 4
