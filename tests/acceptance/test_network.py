"""A bad line to beanstalkd: cut anywhere, frozen, or to a server that has forgotten everything."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

import pulpo
from pulpo.app import Pulpo
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.place import Place
from tests.lab.proxy import Proxy

DOCUMENTED = {"QueueUnavailableError", "PublishUncertainError"}
THREADS = 8


@pytest.mark.parametrize("seed", [1, 2])
def test_lines_that_are_cut_anywhere_lose_nothing_and_settle_nothing_wrong(
    beanstalkd_place: Place, seed: int
) -> None:
    assert beanstalkd_place.server is not None
    chosen = random.Random(seed)
    # Long enough for a connection's first questions, then it may be anywhere.
    line = Proxy(
        "127.0.0.1",
        beanstalkd_place.server.port,
        lifetime=lambda: 3_000 + chosen.randrange(20_000),
    )
    with line:
        place = Place(beanstalkd_place.folder, f"beanstalkd://127.0.0.1:{line.port}")
        with place.worker() as worker:
            said = place.published(place.produce(2, 400, "--seconds=0.002", "--batch=3"))
            place.wait_until_all_done()
            assert worker.said("died") == []
            assert worker.stop() == 0

    met = sum((Counter(each["errors"]) for each in said), Counter[str]())
    left = beanstalkd_place.waiting()
    if left:  # what was done and could not be said any more: it runs once more
        with beanstalkd_place.worker("--burst") as clean:
            assert clean.wait() == 0
    account = place.account(kept=[job["id"] for job in beanstalkd_place.waiting()])
    cuts = line.accepted
    assert cuts > 10
    assert account.complaints(doubled=cuts * (THREADS + 5)) == []
    assert set(met) <= DOCUMENTED
    assert beanstalkd_place.stats()["buried"] == 0


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
