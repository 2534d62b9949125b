"""A bad line to beanstalkd: cut anywhere, frozen, or to a server that has forgotten everything."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import pulpo
from pulpo.app import Pulpo
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.place import Place
from tests.lab.processes import until
from tests.lab.proxy import Proxy

DOCUMENTED = {"QueueUnavailableError", "PublishUncertainError"}
THREADS = 8


@pytest.fixture
def line(beanstalkd_place: Place) -> Iterator[Proxy]:
    """A line that is cut in the middle of anything, after some kilobytes, again and again."""
    assert beanstalkd_place.server is not None
    chosen = random.Random(10)
    # Long enough for a connection's first questions.
    line = Proxy(
        "127.0.0.1",
        beanstalkd_place.server.port,
        lifetime=lambda: 1_200 + chosen.randrange(8_000),
    )
    with line:
        yield line


def test_lines_that_are_cut_anywhere_lose_nothing_and_settle_nothing_wrong(
    beanstalkd_place: Place, line: Proxy
) -> None:
    place = Place(beanstalkd_place.folder, f"beanstalkd://127.0.0.1:{line.port}")
    with place.worker() as worker:
        said = place.published(place.produce(2, 250, "--seconds=0.002", "--batch=3"))
        place.wait_until_all_done()
        until(lambda: beanstalkd_place.waiting() == [], "the end of what ran twice")
        assert worker.said("died") == []
        # Nothing is held that nobody can settle any more.
        assert worker.stop(timeout=5) == 0
    place.ledger.close()

    met = sum((Counter(each["errors"]) for each in said), Counter[str]())
    account = place.account()
    assert line.accepted > 20
    assert account.complaints(doubled=line.accepted * (THREADS + 5)) == []
    assert set(met) <= DOCUMENTED


def test_retries_and_burials_over_lines_that_are_cut_anywhere_are_not_lost(
    beanstalkd_place: Place, line: Proxy
) -> None:
    direct = beanstalkd_place
    direct.published(
        [
            *direct.produce(1, 60, "--type=ledger.flaky", "--batch=20"),
            *direct.produce(1, 40, "--type=ledger.fatal", "--batch=20"),
        ]
    )
    place = Place(direct.folder, f"beanstalkd://127.0.0.1:{line.port}")
    with place.worker() as worker:
        until(
            lambda: (
                {"ready", "reserved"}.isdisjoint(job["state"] for job in direct.waiting())
                and len({entry.id for entry in place.ledger.read("done")}) == 60
            ),
            "every job done or buried",
        )
        assert worker.said("died") == []
        assert worker.stop(timeout=5) == 0
    place.ledger.close()

    left = {job["id"] for job in direct.waiting() if job["state"] == "buried"}
    fatal = {job["id"] for job in direct.waiting() if job["type"] == "ledger.fatal"}
    assert line.accepted > 10
    assert len(left) == 40
    assert left == fatal
    assert place.account(kept=left).lost == ()


def test_a_server_that_stands_still_for_some_seconds_starts_nothing_twice(
    beanstalkd_place: Place,
) -> None:
    place = beanstalkd_place
    assert place.server is not None
    place.published(place.produce(1, 200, "--seconds=0.02", "--batch=100"))

    with place.worker() as worker:
        place.wait_for("done", 60)
        place.server.freeze()
        time.sleep(6)  # longer than a beat may be missing, and than a publisher waits
        place.server.thaw()
        place.wait_until_all_done()
        assert worker.said("died") == []
        assert worker.stop() == 0

    assert place.account(kept=[job["id"] for job in place.waiting()]).complaints() == []


def test_a_server_that_has_forgotten_everything_gets_no_wrong_settlement(
    beanstalkd_program: str, tmp_path: Path
) -> None:
    with Beanstalkd() as server:  # no binlog: numbers begin anew
        place = Place(tmp_path, server.url, server)
        place.published(place.produce(1, 4, "--type=ledger.gated"))
        with place.worker("--processes", "1", "-q", "default") as worker:
            place.wait_for("begun", 4)
            server.restart()
            with Pulpo(server.url) as app:
                # The same numbers, other jobs, in a queue that this worker does not serve.
                others = [
                    app.publish(pulpo.Message(type="ledger.note", body={}, queue="other")).id
                    for _ in range(8)
                ]
            (place.ledger.folder / "gate").touch()
            place.wait_for("done", 4)
            place.published(place.produce(1, 3))
            place.wait_for("done", 7)
            assert worker.stop() == 0
            assert worker.said("died") == []
        left = place.waiting()
        place.ledger.close()

    assert {job["id"] for job in left} == set(others)
    assert {job["state"] for job in left} == {"ready"}
