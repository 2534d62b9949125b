"""Limits by real workers on real engines: nobody exceeds one, and all seats say who waits."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab.beanstalkd import Beanstalkd
from tests.lab.crowd import SLOTS, most_at_once
from tests.lab.place import Place
from tests.lab.processes import until

TASKS = "tests.lab.limited"
SHOP = """
import time
import pulpo

@pulpo.job(type="gated", limit=pulpo.Limit(concurrency=1, per="account"))
def gated(account: int) -> None:
    time.sleep(60)

@pulpo.job(type="paced", limit=pulpo.Limit(rate="6/min"))
def paced() -> None: ...

@pulpo.job(type="plain", queue="mail")
def plain(seconds: float = 0.0) -> None:
    time.sleep(seconds)
"""


@pytest.fixture(params=["sqlite", "beanstalkd", "postgresql"])
def limited(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Return a place whose workers share what is kept beside the queue."""
    (tmp_path / "shop.py").write_text(SHOP)
    if request.param == "sqlite":
        return Place(tmp_path, f"sqlite:///{tmp_path}/queue.db")
    if request.param == "postgresql":
        return Place(
            tmp_path,
            request.getfixturevalue("postgresql_url"),
            request.getfixturevalue("postgresql"),
        )
    server = request.getfixturevalue("own_server")
    return Place(tmp_path, f"{server.url}?side=sqlite:///{tmp_path}/side.db", server)


@pytest.fixture
def own_server(beanstalkd_program: str) -> Beanstalkd:
    with Beanstalkd() as server:
        yield server


def test_four_workers_never_exceed_a_limit_and_waste_no_slot(limited: Place) -> None:
    place, jobs, seconds = limited, 120, 0.05
    place.published(
        place.produce(1, jobs, "--type=ledger.limited", f"--seconds={seconds}", "--batch=60")
    )
    with ExitStack() as stack:
        workers = [place.worker("--processes", "1", module=TASKS) for _ in range(4)]
        for worker in workers:
            stack.enter_context(worker)
        place.wait_for("begun", 1)
        started = time.monotonic()
        place.wait_until_all_done(patience=60)
        took = time.monotonic() - started
        codes = [worker.ready().stop() for worker in workers]

    assert codes == [0] * 4
    assert most_at_once(place.ledger, {}) == SLOTS
    # Whoever leaves a slot wakes the next one: else they would come by the net, a minute later.
    assert took < 30
    account = place.account()
    assert (account.complaints(), account.done) == ([], jobs)


def test_an_operator_sees_for_whom_a_job_waits(limited: Place) -> None:
    place = limited
    with place.worker("--processes", "1", "--grace", "0", module="shop") as worker:
        _wait_until_known(place)
        first = place.pulpo("publish", "gated", '{"account": 7}').out.strip()
        until(lambda: place.show(first)["state"] == "reserved", "the first one has the slot")
        second = place.pulpo("publish", "gated", '{"account": 7}').out.strip()
        other = place.pulpo("publish", "gated", '{"account": 8}').out.strip()
        until(lambda: place.show(other)["state"] == "reserved", "another account has a slot")
        until(lambda: place.show(second)["state"] == "delayed", "the second one waits")
        until(lambda: _limits(place)[0]["waiting"] == 1, "it is written down that it waits")

        (reason,) = _reasons(place, second)
        assert reason["code"] == "limited"
        assert f"a slot of gated (account=7): 1 of 1 are taken, by {first}" in reason["text"]
        assert "headers" in place.show(second)
        seven, eight = _limits(place)
        assert (seven["shown"], eight["shown"]) == ("gated (account=7)", "gated (account=8)")
        assert [held["job"] for held in seven["holders"]] == [first]
        shown = place.pulpo("limits").out
        assert "gated (account=7)" in shown
        assert first in shown
        top = place.pulpo("top", "--json").lines[0]
        assert [limit["waiting"] for limit in top["limits"]] == [1, 0]
        assert "1 of 1" in place.pulpo("top", "--once").out
        assert "1 of 1" in place.pulpo("workers").out
        assert len(place.pulpo("workers", "--json").lines[0]["limits"]) == 2
        assert worker.stop() == 0
    assert {line["type"] for line in worker.said("limited")} == {"gated"}


def test_a_turn_is_said_to_the_second(limited: Place) -> None:
    place = limited
    with place.worker("--processes", "1", module="shop") as worker:
        _wait_until_known(place)
        ids = [place.pulpo("publish", "paced").out.strip() for _ in range(2)]
        until(lambda: len(worker.said("success")) == 1, "the first one starts at once")
        until(lambda: worker.said("limited"), "the second one has its turn")
        done = worker.said("success")[0]["id"]
        (late,) = [each for each in ids if each != done]
        until(lambda: place.show(late)["state"] == "delayed", "it waits for its turn")

        (reason,) = _reasons(place, late)
        assert reason["code"] == "limited"
        assert "its turn at the rate of its limit in " in reason["text"]
        (limit,) = _limits(place)
        assert (limit["rate"], limit["concurrency"]) == ("6/min", 0)
        assert 0 < limit["used_for"] <= 20
        until(lambda: len(worker.said("success")) == 2, "the second one starts")
        first, second = (line["time"] for line in worker.said("success"))
        assert worker.stop() == 0
    assert 9 <= _seconds(second) - _seconds(first) <= 13


def test_while_the_slots_are_out_of_reach_limited_jobs_wait_and_others_run(
    own_server: Beanstalkd, tmp_path: Path
) -> None:
    side, away = tmp_path / "side.db", tmp_path / "away"
    place = Place(tmp_path, f"{own_server.url}?side=sqlite:///{side}", own_server)
    with place.worker("--processes", "1", module=TASKS) as worker:
        place.published(place.produce(1, 1, "--type=ledger.limited"))
        place.wait_until_all_done()
        away.mkdir()
        for path in tmp_path.glob("side.db*"):
            path.rename(away / path.name)
        side.mkdir()  # nobody can make a new one there

        place.published(place.produce(1, 5, "--type=ledger.limited"))
        place.published(place.produce(1, 20))
        place.wait_for("done", 21)
        until(lambda: worker.said("gate"), "a line in the log")
        (line,) = worker.said("gate")
        assert (line["level"], place.ledger.count("done")) == ("WARNING", 21)
        until(lambda: place.stats()["delayed"] == 5, "limited jobs are put back")

        side.rmdir()
        for path in away.iterdir():
            path.rename(tmp_path / path.name)
        place.wait_until_all_done(patience=60)
        assert [line["level"] for line in worker.said("gate")] == ["WARNING", "INFO"]
        assert worker.stop() == 0
    assert {line["attempt"] for line in worker.said("success")} == {1}


def test_a_queue_with_slots_leaves_the_other_threads_to_others(place: Place) -> None:
    (place.folder / "shop.py").write_text(SHOP)
    with place.app() as app:
        from pulpo import Message

        app.publish_many(
            [Message(type="plain", queue="mail", body={"seconds": 60}) for _ in range(5)]
        )
    with place.worker(
        *("-q", "mail:2", "-q", "default", "--processes", "1", "--grace", "0"),
        *("--no-side",),
        module="tests.lab.tasks",
    ) as worker:
        place.published(place.produce(1, 30))
        place.wait_until_all_done()
        assert worker.stop() == 0
    assert place.pulpo("worker", "shop", "-q", "mail:0").code == 2


@pytest.mark.parametrize("verb", ["worker", "check"])
def test_beanstalkd_without_a_side_is_refused_by_the_name_of_the_option(
    verb: str, beanstalkd: Beanstalkd, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    place = Place(tmp_path, beanstalkd.url, beanstalkd)

    said = place.pulpo(verb, "shop")

    assert said.code == {"worker": 5, "check": 1}[verb]
    told = said.err if verb == "worker" else said.out
    assert "the limit of 'gated' needs a place beside the queue" in told
    assert "?side=sqlite:///" in told


def _limits(place: Place) -> list[dict[str, object]]:
    found: list[dict[str, object]] = place.pulpo("limits", "--json").lines[0]["limits"]
    return found or [{"waiting": 0}]


def _wait_until_known(place: Place) -> None:
    # It says a moment after its start that it is there: until then nobody is known to serve.
    until(lambda: place.pulpo("workers", "--json").lines[0]["workers"], "a worker that tells")


def _reasons(place: Place, job_id: str) -> list[dict[str, str]]:
    (answer,) = place.pulpo("explain", job_id, "--json").lines
    found: list[dict[str, str]] = answer["reasons"]
    return found


def _seconds(moment: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(moment).timestamp()
