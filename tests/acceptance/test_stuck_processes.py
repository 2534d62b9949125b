"""Processes that hang, freeze or die: each is ended in time, and the worker goes on for ever."""

from __future__ import annotations

import os
import signal
import time

import pytest

import pulpo
from pulpo.worker.place import SILENCE
from tests.lab.place import TASKS, Place
from tests.lab.processes import is_alive, until
from tests.worker import poison

MODULE = "tests.worker.poison"


def publish(place: Place, *messages: pulpo.Message) -> list[str]:
    with place.app() as app:
        return [ref.id for ref in app.publish_many(messages)]


def test_a_module_that_takes_long_to_load_is_waited_for(file_place: Place) -> None:
    seconds = SILENCE + 2.5
    (file_place.folder / "slow.py").write_text(
        f"import time\ntime.sleep({seconds})\nfrom {TASKS} import *\n"
    )
    file_place.published(file_place.produce(1, 5))

    with file_place.worker("--processes", "1", module="slow") as worker:
        file_place.wait_until_all_done()
        assert worker.said("died") == []
        assert worker.stop() == 0


def test_a_process_that_is_frozen_while_it_loads_is_replaced(file_place: Place) -> None:
    (file_place.folder / "hangs.py").write_text(
        "import os, time\n"
        "if not os.path.exists('go'):\n"
        "    time.sleep(600)\n"
        f"from {TASKS} import *\n"
    )
    file_place.published(file_place.produce(1, 5))

    with file_place.worker("--processes", "1", module="hangs") as worker:
        until(worker.children, "its process")
        (frozen,) = worker.children()
        time.sleep(0.5)  # in the middle of loading
        os.kill(frozen, signal.SIGSTOP)
        (file_place.folder / "go").touch()
        until(lambda: not is_alive(frozen), "the end of the frozen process")
        file_place.wait_until_all_done()
        assert [line["reason"] for line in worker.said("died")] == [
            "killed: no beat for 5s; its jobs go back"
        ]
        assert worker.stop() == 0


def test_a_process_that_was_frozen_only_for_a_moment_goes_on(file_place: Place) -> None:
    (file_place.folder / "slow.py").write_text(
        f"import time\ntime.sleep({SILENCE + 3})\nfrom {TASKS} import *\n"
    )
    with file_place.worker("--processes", "1", module="slow") as worker:
        until(worker.children, "its process")
        (process,) = worker.children()
        time.sleep(0.5)
        os.kill(process, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(process, signal.SIGCONT)
        worker.ready()
        assert worker.children() == [process]
        assert worker.said("died") == []


def test_a_suspect_that_holds_its_interpreter_is_ended_at_its_time_limit(
    file_place: Place,
) -> None:
    (bad,) = publish(file_place, poison.grips.message())

    with file_place.worker("--processes", "1", module=MODULE) as worker:
        until(lambda: file_place.stats()["buried"] == 1, "its burial", patience=60)
        # Each time it has cost its process; alone it costs nobody anything.
        assert [line["reason"] for line in worker.said("died")] == [
            "killed: no beat for 5s; its jobs go back"
        ] * 2
        assert worker.stop() == 0

    assert "timed out after 2s" in file_place.show(bad)["error"]


@pytest.mark.parametrize("kind", ["clings", "asleep", "stubborn"])
def test_a_run_that_swallows_its_end_costs_its_process_and_others_finish_first(
    file_place: Place, kind: str
) -> None:
    (bad,) = publish(file_place, getattr(poison, kind).message())
    with file_place.worker("--processes", "1", module=MODULE) as worker:
        until(lambda: file_place.stats()["reserved"] == 1, "its run")
        (process,) = worker.children()
        (beside,) = publish(file_place, poison.naps.message(4.0))
        until(lambda: file_place.stats()["buried"] == 1, "its burial")
        until(lambda: not is_alive(process), "the end of its process")
        until(worker.children, "its successor")
        assert [line["id"] for line in worker.said("success")] == [beside]
        assert [line["id"] for line in worker.said("stuck")] == [bad]
        assert worker.said("died") == []
        assert worker.stop() == 0

    assert "timed out after 1s" in file_place.show(bad)["error"]


def test_a_worker_outlives_any_number_of_deaths(file_place: Place) -> None:
    with file_place.worker("--processes", "2") as worker:
        worker.ready()
        for _ in range(8):
            until(worker.children, "a process")
            for victim in worker.children():
                os.kill(victim, signal.SIGKILL)
            time.sleep(0.2)
        assert worker.runs()
        file_place.published(file_place.produce(1, 50))
        file_place.wait_until_all_done()
        assert worker.stop() == 0


@pytest.mark.parametrize("end", ["os._exit(0)", "os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_module_that_ends_its_process_does_not_end_the_worker(
    file_place: Place, end: str
) -> None:
    (file_place.folder / "ends.py").write_text(
        f"import os\nif not os.path.exists('go'):\n    {end}\nfrom {TASKS} import *\n"
    )
    file_place.published(file_place.produce(1, 5))

    with file_place.worker("--processes", "1", module="ends") as worker:
        until(lambda: len(worker.said("died")) >= 4, "four deaths")
        assert worker.runs()
        assert len(worker.said("died")) < 10  # it waits longer each time
        (file_place.folder / "go").touch()
        file_place.wait_until_all_done()
        assert worker.stop() == 0
