"""Workers that are killed in the middle: nothing is lost, nothing is buried, little runs twice."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from pulpo.worker.stopping import SAME_SIGNAL
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, is_alive, until

THREADS = 8
# Jobs that take 10 ms or longer are not taken ahead: a process holds no more than its threads.
SECONDS = "--seconds=0.012"


def kill_a_child(worker: WorkerProcess, chosen: random.Random) -> int:
    victim = chosen.choice(worker.children())
    os.kill(victim, signal.SIGKILL)
    return victim


def test_kill_9_of_worker_processes_loses_nothing_and_they_are_replaced(place: Place) -> None:
    chosen = random.Random(7)
    place.published(place.produce(2, 600, "--batch=100", SECONDS))

    with place.worker() as one, place.worker() as other:
        for worker, progress in ((one, 100), (other, 350), (one, 600), (other, 850)):
            place.wait_for("done", progress)
            worker.ready()
            until(lambda worker=worker: len(worker.children()) == 2, "two processes")
            kill_a_child(worker, chosen)
        place.wait_until_all_done()
        until(lambda: len(one.children()) == len(other.children()) == 2, "all replaced")
        codes = [one.stop(), other.stop()]
        died = [*one.said("died"), *other.said("died")]

    account = place.account(kept=[job["id"] for job in place.waiting()])
    assert account.complaints(doubled=4 * THREADS) == []
    assert (account.accepted, account.done, codes) == (1_200, 1_200, [0, 0])
    assert place.stats()["buried"] == 0
    assert [line["reason"] for line in died] == ["killed by SIGKILL; its jobs go back"] * 4
    # A kill is no failure of the job: no attempt is spent.
    assert {entry.facts["attempt"] for entry in place.ledger.read("begun")} == {1}


def test_kill_9_of_a_whole_worker_gives_its_jobs_to_another_at_once(place: Place) -> None:
    place.published(place.produce(2, 400, "--batch=100", SECONDS))

    with place.worker() as victim, place.worker() as survivor:
        survivor.ready()
        victim.ready()
        place.wait_for("done", 150)
        orphans = victim.kill()
        place.wait_until_all_done()
        left = place.waiting()
        assert survivor.stop() == 0

    assert len(orphans) == 2
    account = place.account(kept=[job["id"] for job in left])
    assert account.complaints(doubled=2 * THREADS) == []


def test_no_process_outlives_its_supervisor_by_three_seconds(place: Place) -> None:
    place.published(place.produce(1, 16, "--type=ledger.gated"))

    with place.worker() as worker:
        place.wait_for("begun", 16)
        orphans = worker.kill()
        until(lambda: not any(map(is_alive, orphans)), "the end of all orphans", patience=3)

    # With no worker there to take them back: the last thread of a dead process drops its locks.
    until(lambda: (place.stats()["ready"], place.stats()["reserved"]) == (16, 0), "all given back")


def test_jobs_of_a_killed_worker_run_again_with_the_attempt_they_had(place: Place) -> None:
    place.published(place.produce(1, 20, "--type=ledger.gated"))
    with place.worker("--processes", "1") as worker:
        place.wait_for("begun", THREADS)
        worker.kill()

    (place.ledger.folder / "gate").touch()
    with place.worker() as second:
        place.wait_until_all_done()
        assert second.stop() == 0

    account = place.account(kept=[job["id"] for job in place.waiting()])
    assert account.complaints(doubled=THREADS) == []
    assert account.doubled == {}
    assert {entry.facts["attempt"] for entry in place.ledger.read("done")} == {1}


def test_sigterm_in_the_middle_spends_no_attempt_and_starts_nothing_twice(place: Place) -> None:
    place.published(place.produce(2, 300, "--batch=100", "--seconds=0.03"))

    with place.worker() as first:
        place.wait_for("done", 150)
        code = first.stop()
    begun, done = place.ledger.count("begun"), place.ledger.count("done")
    between = place.stats()
    with place.worker() as second:
        place.wait_until_all_done()
        assert second.stop() == 0

    assert (code, done) == (0, begun)  # what ran was let finish
    assert between["reserved"] == between["delayed"] == between["buried"] == 0
    assert between["ready"] == 600 - done > 0
    account = place.account(kept=[job["id"] for job in place.waiting()])
    assert account.complaints() == []
    assert {entry.facts["attempt"] for entry in place.ledger.read("begun")} == {1}


def test_jobs_that_outlast_the_grace_go_back_unspent(place: Place) -> None:
    place.published(place.produce(1, 6, "--type=ledger.gated"))

    with place.worker("--grace", "0.3s", "--processes", "1") as worker:
        place.wait_for("begun", 6)
        assert worker.stop(timeout=0.3 + 3) == 0
    between = place.stats()
    (place.ledger.folder / "gate").touch()
    with place.worker("--burst", "--processes", "1") as second:
        assert second.wait() == 0

    assert (between["ready"], between["reserved"]) == (6, 0)
    account = place.account(kept=[job["id"] for job in place.waiting()])
    assert account.complaints(doubled=6) == []
    assert {entry.facts["attempt"] for entry in place.ledger.read("begun")} == {1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_control_c_and_a_closed_terminal_end_a_worker_as_sigterm_does(
    file_place: Place, number: int
) -> None:
    file_place.published(file_place.produce(1, 40, "--seconds=0.05"))

    with file_place.worker("--processes", "1") as worker:
        file_place.wait_for("begun", 4)
        assert worker.stop(number) == 0

    begun = file_place.ledger.count("begun")
    assert file_place.ledger.count("done") == begun
    assert file_place.stats()["ready"] == 40 - begun


def test_jobs_cut_short_by_restarts_are_not_taken_for_killers(place: Place) -> None:
    place.published(place.produce(1, 2, "--type=ledger.gated"))

    for restart in range(1, 3):
        with place.worker("--grace", "0s", "--processes", "1") as worker:
            place.wait_for("begun", 2 * restart)
            assert worker.stop() == 0
    (place.ledger.folder / "gate").touch()
    with place.worker("--burst", "--processes", "1") as last:
        assert last.wait() == 0
        said = last.text

    assert place.waiting() == []
    assert {entry.facts["attempt"] for entry in place.ledger.read("begun")} == {1}
    assert "SIGKILL" not in said


def test_a_second_signal_ends_a_worker_now(place: Place) -> None:
    place.published(place.produce(1, 4, "--type=ledger.gated"))

    with place.worker() as worker:
        place.wait_for("begun", 4)
        worker.send()
        until(lambda: worker.said("stopping"), "its word that it stops")
        time.sleep(SAME_SIGNAL)  # sooner, it is the same signal to the group and to the process
        assert worker.stop(timeout=3) == 0

    assert place.stats()["ready"] == 4
