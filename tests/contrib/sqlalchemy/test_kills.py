"""Relays that die by SIGKILL lose nothing, and a job that is there twice has one id."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine, func, select

from pulpo.contrib.outbox.sqlalchemy import _table

ROOT = Path(__file__).parents[3]
SHOP = "tests.contrib.sqlalchemy.shop"


class Place:
    """A database, a queue file, and the processes that use them."""

    def __init__(self, database: str, folder: Path) -> None:
        self.database = create_engine(database)
        self.table = _table("pulpo_outbox", MetaData())
        self.table.create(self.database)
        self.turn = folder / "turn"
        self.environ = {
            **{name: value for name, value in os.environ.items() if "PULPO" not in name},
            "SHOP": database,
            "PULPO_URL": f"sqlite:///{folder}/queue.db",
            "TURN": str(self.turn),
            "PYTHONPATH": str(ROOT),
        }
        self.folder = folder

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=self.folder,
            env={**self.environ, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **more: str) -> str:
        process = self.start(*words, **more)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, (out, err)
        return out

    def relay(self, **more: str) -> int:
        process = self.start("pulpo", "outbox", "relay", SHOP, **more)
        process.communicate(timeout=60)
        return process.returncode

    def queued(self) -> Counter[str]:
        """How often each id is in the queue."""
        lines = self.run("pulpo", "jobs", "list", "--limit", "100000", "--json").splitlines()
        return Counter(json.loads(line)["id"] for line in lines)

    def rows(self) -> int:
        with self.database.connect() as connection:
            return connection.execute(select(func.count()).select_from(self.table)).scalar_one()


@pytest.fixture
def place(database: str, tmp_path: Path) -> Iterator[Place]:
    found = Place(database, tmp_path)
    yield found
    found.database.dispose()


def sold(out: str) -> tuple[set[str], set[str]]:
    """Return the ids that were committed, and those that were rolled back."""
    words = [line.split() for line in out.splitlines() if len(line.split()) == 2]
    kept = {ref for word, ref in words if word == "kept"}
    return kept, {ref for word, ref in words if word == "gone"}


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_a_relay_that_dies_at_a_known_moment_loses_nothing(place: Place, moment: str) -> None:
    kept, _ = sold(place.run(SHOP, "0", "10"))
    place.turn.touch()

    assert place.relay(DIE=moment) == -signal.SIGKILL
    assert place.rows() == 8
    assert place.relay() == 0

    queued = place.queued()
    assert set(queued) == kept
    # Nothing was published before; afterwards it may be there twice, under one id.
    assert set(queued.values()) <= ({1} if moment == "before" else {1, 2})
    assert place.rows() == 0


def test_relays_that_are_killed_all_the_time_lose_nothing(place: Place) -> None:
    chosen = random.Random(20261130)
    seller = place.start(SHOP, "0", "400")
    relays = [place.start("pulpo", "outbox", "relay", SHOP, "--watch") for _ in range(2)]
    kills = 0
    deadline = time.monotonic() + 60
    while seller.poll() is None or kills < 4:
        assert time.monotonic() < deadline
        time.sleep(chosen.uniform(0.3, 0.8))
        victim = relays.pop(0)
        victim.kill()
        victim.communicate()
        kills += 1
        relays.append(place.start("pulpo", "outbox", "relay", SHOP, "--watch"))
    for relay in relays:
        relay.kill()
        relay.communicate()
    kept, gone = sold(seller.communicate()[0])
    assert place.relay() == 0

    queued = place.queued()
    assert len(kept) == 320
    assert set(queued) == kept
    assert not gone & set(queued)
    assert place.rows() == 0


def test_relays_at_work_together_publish_each_job_once(place: Place) -> None:
    kept, _ = sold(place.run(SHOP, "0", "500"))
    relays = [place.start("pulpo", "outbox", "relay", SHOP) for _ in range(3)]
    for relay in relays:
        relay.communicate(timeout=60)
        assert relay.returncode == 0
    assert place.relay() == 0

    assert place.queued() == Counter(dict.fromkeys(kept, 1))


def test_a_worker_relays_by_itself(place: Place) -> None:
    kept, _ = sold(place.run(SHOP, "0", "30"))
    place.run("pulpo", "worker", SHOP, "--burst", "--processes", "2")

    assert len(kept) == 24
    assert place.rows() == 0
    assert place.queued() == Counter()


def test_the_command_counts_what_waits(place: Place) -> None:
    place.run(SHOP, "0", "10")

    (line,) = place.run("pulpo", "outbox", "show", SHOP, "--json").splitlines()
    found = json.loads(line)
    assert (found["jobs"], found["refused"]) == (8, 0)
    assert 0 <= found["oldest"] < 60
    assert "8" in place.run("pulpo", "outbox", "show", SHOP).splitlines()[1]
    assert place.run("pulpo", "outbox", "relay", SHOP) == "relayed 8 jobs\n"
    assert place.run("pulpo", "outbox", "again", SHOP) == "0 rows to be tried again\n"


def test_the_command_says_what_is_wrong(place: Place) -> None:
    place.run(SHOP, "0", "2")
    none = place.start("pulpo", "outbox", "relay", "json")
    assert "no outbox in 'json'" in none.communicate()[1]
    assert none.returncode == 1
    far = place.start("pulpo", "--url", "beanstalkd://127.0.0.1:1", "outbox", "relay", SHOP)
    far.communicate()
    assert far.returncode == 4
    place.table.drop(place.database)
    gone = place.start("pulpo", "outbox", "relay", SHOP)
    assert "pulpo_outbox" in gone.communicate()[1]
    assert gone.returncode == 1
    place.table.create(place.database)
