"""Producers with a spool, beside a beanstalkd that comes and goes, and producers that are killed.

Nothing that was accepted is lost: the next publish, a worker or `pulpo relay` hands it over.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulpo.adapters.spool import look
from tests.acceptance.command_line import CommandLine
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.late_unlink import late_unlink
from tests.lab.place import Place
from tests.lab.processes import until
from tests.lab.proxy import Proxy

KILLS = 12


@pytest.fixture
def place(beanstalkd_program: str, tmp_path: Path) -> Iterator[Place]:
    """A beanstalkd that keeps its jobs, and a spool beside it."""
    with Beanstalkd("-f0", binlog=tmp_path / "binlog", environ=late_unlink()) as server:
        place = Place(tmp_path, f"{server.url}?spool={tmp_path}/spool", server)
        yield place
        place.ledger.close()


def server_of(place: Place) -> Beanstalkd:
    assert place.server is not None
    return place.server


def spooled(place: Place) -> int:
    return look(place.folder / "spool", time.time()).jobs


def publish_and_die(place: Place, chosen: random.Random) -> None:
    """Let a producer publish, and kill it at any moment after its first publish."""
    before = place.ledger.count("accepted")
    (producer,) = place.produce(1, 3_000, "--priorities", "5,65536")
    until(lambda: place.ledger.count("accepted") > before, "a first publish")
    time.sleep(chosen.uniform(0, 0.1))
    producer.send_signal(signal.SIGKILL)
    producer.communicate()
    assert producer.returncode == -signal.SIGKILL, "it met an error"


@pytest.mark.timeout(300)
def test_producers_killed_while_the_server_is_away_lose_no_accepted_job(place: Place) -> None:
    chosen = random.Random(4)
    server = server_of(place)
    server.kill()
    for _ in range(KILLS):
        publish_and_die(place, chosen)
    accepted = place.ledger.count("accepted")
    assert accepted >= KILLS
    # Killed between the sync and the ledger: there are a few more than the ledger knows.
    assert accepted <= spooled(place) <= accepted + KILLS

    server.start()
    with place.worker() as worker:
        place.wait_until_all_done(patience=120)
        until(lambda: spooled(place) == 0, "an empty spool")
        assert worker.stop() == 0

    account = place.account(kept=[job["id"] for job in place.waiting()])
    assert account.complaints() == []
    assert account.accepted == accepted


@pytest.mark.timeout(300)
def test_a_server_that_comes_and_goes_under_producers_with_a_spool_loses_nothing(
    place: Place,
) -> None:
    server = server_of(place)
    with place.worker() as worker:
        worker.ready()
        producers = place.produce(3, 300, "--pause=0.02")
        for _ in range(4):
            time.sleep(1.0)
            server.kill()
            time.sleep(0.7)
            server.start()
        said = place.published(producers, patience=120)
        place.wait_until_all_done(patience=120)
        until(lambda: spooled(place) == 0, "an empty spool")
        assert worker.stop() == 0

    account = place.account(kept=[job["id"] for job in place.waiting()])
    # Twice: what was sent without an answer is kept too, and what ran while the server died.
    assert account.complaints(doubled=4 * (3 + 2 * 8 + 100)) == []
    assert account.accepted == 900
    assert [line["errors"] for line in said] == [{}, {}, {}], "a producer heard of an outage"


@pytest.mark.timeout(300)
def test_producers_with_a_spool_hear_nothing_of_lines_that_are_cut_anywhere(place: Place) -> None:
    chosen = random.Random(11)
    line = Proxy(
        "127.0.0.1", server_of(place).port, lifetime=lambda: 1_200 + chosen.randrange(8_000)
    )
    with line, place.worker() as worker:
        spool = f"?spool={place.folder}/spool"
        cut = Place(place.folder, f"beanstalkd://127.0.0.1:{line.port}{spool}")
        said = cut.published(cut.produce(2, 200, "--batch=3", "--pause=0.1"), patience=120)
        cut.ledger.close()
        place.wait_until_all_done(patience=120)
        until(lambda: spooled(place) == 0, "an empty spool")
        until(lambda: place.waiting() == [], "the end of what was sent twice")
        assert worker.stop() == 0

    account = place.account()
    assert line.accepted > 3
    # A relay sends up to 100 jobs in one flight.
    assert account.complaints(doubled=line.accepted * 100) == []
    assert account.accepted == 400
    assert [each["errors"] for each in said] == [{}, {}], "a producer heard of a cut"


@pytest.mark.timeout(300)
def test_relays_that_are_killed_repeat_a_job_and_lose_none(place: Place) -> None:
    chosen = random.Random(5)
    server = server_of(place)
    server.kill()
    place.published(place.produce(2, 500, "--batch=100"), patience=120)
    server.start()
    kills = 0
    while spooled(place) and kills < 10:
        before = spooled(place)
        relay = relaying(place, "--watch")
        until(lambda before=before: spooled(place) < before, "a relay")  # type: ignore[misc]
        time.sleep(chosen.uniform(0, 0.05))
        relay.kill()
        relay.communicate()
        kills += 1
    assert place.pulpo("relay").code == 0

    found = [job["id"] for job in place.waiting()]
    accepted = {entry.id for entry in place.ledger.read("accepted")}
    assert set(found) == accepted
    assert len(accepted) == 1_000
    # A flight is 100 jobs.
    assert len(found) - len(accepted) <= 100 * kills


def relaying(place: Place, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pulpo", "--url", place.url, "relay", *options],
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_relay_says_how_many_and_whether_the_queue_was_there(place: Place) -> None:
    server = server_of(place)
    assert place.pulpo("relay").out == "relayed 0 jobs\n"
    server.kill()
    place.published(place.produce(1, 3))

    away = place.pulpo("relay")
    assert (away.code, away.out) == (4, "relayed 0 jobs\n")
    assert "cannot reach" in away.err
    server.start()
    back = place.pulpo("relay")
    assert (back.code, back.out) == (0, "relayed 3 jobs\n")
    assert place.stats()["ready"] == 3


def test_watching_relays_waits_for_the_server_and_goes_on(place: Place) -> None:
    server = server_of(place)
    server.kill()
    place.published(place.produce(1, 3))
    watch = relaying(place, "--watch")
    try:
        time.sleep(1.5)
        assert watch.poll() is None
        server.start()
        until(lambda: spooled(place) == 0, "the relay")
        server.kill()
        place.published(place.produce(1, 2))
        server.start()
        until(lambda: spooled(place) == 0, "the relay after the second outage")
    finally:
        watch.send_signal(signal.SIGINT)
        out, err = watch.communicate(timeout=30)

    # The signal may come between the last removal and the word of it.
    assert out in ("relayed 3 jobs\nrelayed 2 jobs\n", "relayed 3 jobs\n")
    assert "trying again" in err
    assert watch.returncode == 130


def test_what_the_queue_refuses_for_ever_is_kept_and_shown(place: Place) -> None:
    server = server_of(place)
    server.kill()
    place.published(place.produce(1, 2))
    large = json.dumps("x" * 30_000)
    assert place.pulpo("publish", "any.type", large).code == 0

    with Beanstalkd("-z", "20000", port=server.port):
        said = place.pulpo("relay")
        assert (said.code, said.out) == (1, "relayed 2 jobs, 1 refused\n")
        again = place.pulpo("relay")
        assert (again.code, again.out) == (0, "relayed 0 jobs\n")
        (shown,) = place.pulpo("stats", "--json").lines
        assert shown["spool"] == {"jobs": 0, "bytes": 0, "oldest": None, "refused": 1}
        assert "; 1 refused: " in place.pulpo("stats").out
    (file,) = (place.folder / "spool" / "refused").iterdir()
    assert file.name.endswith(".too-big")
    assert b"xxxxx" in file.read_bytes()


def test_stats_tell_of_the_spool_also_while_the_server_is_away(place: Place) -> None:
    server = server_of(place)
    server.kill()
    place.published(place.produce(1, 3))

    away = place.pulpo("stats", "--json")
    assert away.code == 4
    assert "cannot reach" in away.err
    assert (away.lines[0]["queues"], away.lines[0]["spool"]["jobs"]) == ({}, 3)
    assert place.pulpo("stats").out.startswith("spool: 3 jobs, ")
    server.start()
    (shown,) = place.pulpo("stats", "--json").lines
    assert list(shown) == ["queues", "spool"]
    assert shown["spool"]["jobs"] == 3
    assert shown["spool"]["bytes"] > 100
    assert 0 < shown["spool"]["oldest"] < 120
    assert shown["spool"]["refused"] == 0


def test_without_a_spool_there_is_nothing_to_relay(place: Place, tmp_path: Path) -> None:
    plain = CommandLine(tmp_path, server_of(place).url)

    assert plain("relay").code == 2
    assert list(plain("stats", "--json").lines[0]) == ["queues"]


def test_a_burst_runs_what_was_in_the_spool(place: Place) -> None:
    server = server_of(place)
    server.kill()
    place.published(place.produce(2, 200, "--batch=100"))
    server.start()

    with place.worker("--processes", "1", "--burst") as worker:
        assert worker.wait(60) == 0

    assert (spooled(place), place.ledger.count("done")) == (0, 400)


def test_a_worker_goes_on_though_the_spool_is_not_to_be_used(place: Place) -> None:
    spool = place.folder / "spool"
    spool.mkdir()
    spool.chmod(0o777)
    plain = Place.__new__(Place)
    plain.__dict__.update(place.__dict__)
    plain.url = server_of(place).url
    with place.worker("--processes", "1") as worker:
        plain.published(plain.produce(1, 3))
        place.wait_for("done", 3)
        assert worker.stop() == 0
