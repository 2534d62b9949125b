"""A beanstalkd that is killed and started again under load, with `-b -f0`.

What it said it had, it has; workers come back by themselves; producers hear only what is
documented, and may publish the same message again.
"""

from __future__ import annotations

import time
from collections import Counter

from pulpo.message import Message
from tests.lab.place import Place
from tests.lab.processes import until

THREADS = 8
RESTARTS = 5
DOCUMENTED = {"QueueUnavailableError", "PublishUncertainError"}


def test_a_server_killed_again_and_again_loses_nothing(beanstalkd_place: Place) -> None:
    place = beanstalkd_place
    assert place.server is not None
    with place.worker() as one, place.worker() as other:
        one.ready()
        other.ready()
        processes = {*one.children(), *other.children()}
        producers = place.produce(2, 700, "--seconds=0.01", "--pause=0.002")
        for restart in range(RESTARTS):
            place.wait_for("accepted", 200 * (restart + 1))
            place.server.kill()
            time.sleep(0.1 * restart)  # a pause in which everybody finds nobody there
            place.server.start()
        said = place.published(producers)
        place.wait_until_all_done()
        assert {*one.children(), *other.children()} == processes, "a worker process has ended"
        codes = [one.stop(), other.stop()]

    met = sum((Counter(line["errors"]) for line in said), Counter[str]())
    account = place.account(kept=[job["id"] for job in place.waiting()])
    # Twice: what ran while the server was away, and what was sent without an answer.
    bound = RESTARTS * 4 * (THREADS + 1) + met["PublishUncertainError"]
    assert account.complaints(doubled=bound) == []
    assert (account.accepted, codes) == (1_400, [0, 0])
    assert set(met) <= DOCUMENTED
    assert met["QueueUnavailableError"] > 0
    assert {entry.facts["attempt"] for entry in place.ledger.read("begun")} == {1}


def test_what_runs_while_the_server_restarts_is_not_started_a_second_time(
    beanstalkd_place: Place,
) -> None:
    place = beanstalkd_place
    assert place.server is not None
    place.published(place.produce(1, 6, "--type=ledger.gated"))

    with place.worker("--processes", "1") as worker:
        place.wait_for("begun", 6)
        place.server.restart()
        with place.app() as app:  # proves that the worker is back
            later = app.publish(Message(type="ledger.note", body={}))
        place.wait_for("done", 1)
        (place.ledger.folder / "gate").touch()
        place.wait_until_all_done()
        assert worker.stop() == 0

    assert place.account(kept=[job["id"] for job in place.waiting()]).begun_again == {}
    assert place.waiting() == []
    assert later.id in {entry.id for entry in place.ledger.read("done")}


def test_a_worker_waits_for_a_server_that_was_never_there(beanstalkd_place: Place) -> None:
    place = beanstalkd_place
    assert place.server is not None
    place.server.stop()

    with place.worker("--processes", "1") as worker:
        worker.ready()
        until(lambda: worker.said("waiting"), "its word that it waits")
        place.server.start()
        place.published(place.produce(1, 3))
        place.wait_until_all_done()
        assert worker.runs()
        assert worker.stop() == 0


def test_a_worker_without_its_server_ends_when_it_is_told_to(beanstalkd_place: Place) -> None:
    place = beanstalkd_place
    assert place.server is not None
    place.published(place.produce(1, 2, "--type=ledger.gated"))

    with place.worker("--processes", "1", "--grace", "1s") as worker:
        place.wait_for("begun", 2)
        place.server.kill()
        (place.ledger.folder / "gate").touch()
        place.wait_for("done", 2)
        assert worker.stop(timeout=1 + 4) == 0

    place.server.start()
    # Nobody could tell the server: they are there and run again, as promised.
    assert place.stats()["ready"] == 2
