"""Nothing that a worker has started outlives it, whatever its end: handlers' own processes too."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import pulpo
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, children, is_alive, until
from tests.worker import poison

MODULE = "tests.worker.poison"


def publish(place: Place, *messages: pulpo.Message) -> None:
    with place.app() as app:
        app.publish_many(messages)


def numbers(note: Path) -> list[int]:
    """The process that a handler has started, and the one in which the handler runs."""
    until(note.exists, f"{note.name}, written by a handler")
    return [int(number) for number in note.read_text().split()]


def are_gone(pids: list[int]) -> bool:
    return not any(map(is_alive, pids))


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "note"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT, signal.SIGSEGV])
def test_what_a_handler_started_ends_with_a_killed_supervisor(
    file_place: Place, note: Path, number: int
) -> None:
    publish(file_place, poison.spawns.message(str(note)))

    with file_place.worker("--processes", "1", module=MODULE) as worker:
        started = numbers(note)
        assert worker.stop(number) == -number
        until(lambda: are_gone(started), "the end of the handler's process", patience=3)


def test_what_a_suspect_started_in_its_sandbox_ends_too(file_place: Place, note: Path) -> None:
    publish(file_place, poison.spawns.message(str(note), deaths=2))

    with file_place.worker("--processes", "1", module=MODULE) as worker:
        started = numbers(note)
        assert len(worker.said("died")) == 2
        assert started[1] not in worker.children()  # it runs in a sandbox
        worker.kill()
        until(lambda: are_gone(started), "the end of sandbox and process", patience=3)


def test_what_a_sandbox_started_ends_with_the_worker_process_above_it(
    file_place: Place, note: Path
) -> None:
    publish(file_place, poison.spawns.message(str(note), deaths=2))

    with file_place.worker("--processes", "1", module=MODULE) as worker:
        started = numbers(note)
        (process,) = worker.children()
        os.kill(process, signal.SIGKILL)
        until(lambda: are_gone(started), "the end of sandbox and process", patience=3)
        assert worker.runs()


def test_the_death_of_a_whole_process_group_leaves_nothing(file_place: Place, note: Path) -> None:
    publish(file_place, poison.spawns.message(str(note)))

    with file_place.worker("--processes", "1", module=MODULE) as worker:
        started = numbers(note)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        until(lambda: are_gone(started), "the end of the handler's process", patience=3)


def guardian_of(worker: WorkerProcess) -> int:
    """The process with the worker's command line that has a session of its own and no parent."""
    family = {worker.pid, *worker.children()}
    line = Path(f"/proc/{worker.pid}/cmdline").read_bytes()
    environ = Path(f"/proc/{worker.pid}/environ").read_bytes()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in family:
            try:
                there = Path(f"/proc/{name}")
                if (there / "cmdline").read_bytes() == line and (
                    there / "environ"
                ).read_bytes() == environ:
                    return int(name)
            except OSError:
                continue
    return 0


def test_a_guardian_that_dies_is_replaced(file_place: Place, note: Path) -> None:
    publish(file_place, poison.spawns.message(str(note)))

    with file_place.worker("--processes", "1", module=MODULE) as worker:
        started = numbers(note)
        first = guardian_of(worker)
        os.kill(first, signal.SIGKILL)
        until(lambda: guardian_of(worker) not in (0, first), "another guardian")
        second = guardian_of(worker)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            os.kill(second, number)
        worker.kill()
        until(lambda: are_gone([*started, second]), "the end of everybody", patience=3)


def test_a_worker_that_stops_takes_its_guardian_with_it(file_place: Place) -> None:
    with file_place.worker(module=MODULE) as worker:
        worker.ready()
        guardian = guardian_of(worker)
        assert guardian
        assert guardian not in children(worker.pid)
        assert worker.stop() == 0
        assert not is_alive(guardian)


def test_a_second_signal_ends_what_handlers_started_as_well(file_place: Place, note: Path) -> None:
    publish(file_place, poison.spawns.message(str(note)))

    with file_place.worker("--processes", "1", module=MODULE) as worker:
        started = numbers(note)
        worker.send()
        until(lambda: worker.said("stopping"), "its word that it stops")
        until(lambda: worker.send() or not worker.runs(), "its end", patience=5, pause=0.2)
        until(lambda: are_gone(started), "the end of the handler's process", patience=3)
