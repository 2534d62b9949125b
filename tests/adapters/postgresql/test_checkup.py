"""What `pulpo doctor` says of a PostgreSQL: the looks on a real one, the verdicts on figures."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import psycopg
import pytest

from pulpo.adapters import open_engine
from pulpo.adapters.postgresql import verdicts
from pulpo.adapters.postgresql.steps import STEPS
from pulpo.checkup import Level
from pulpo.errors import QueueUnavailableError
from pulpo.identity import new_id
from pulpo.job import NewJob
from tests.adapters.looks import FAULT, NOTE, OK, WARNING, by_name, levels, look
from tests.lab.postgresql import PostgreSQL, end_session

GOOD: dict[str, Any] = {
    "number": 150_003,
    "version": "15.3",
    "encoding": "UTF8",
    "standby": False,
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "standbys": "ANY 1 (a, b)",
    "autovacuum": "on",
    "naptime": 5.0,
    "most": 100,
    "connections": 20,
}


def test_a_server_that_is_set_up_well_has_nothing_to_say() -> None:
    with PostgreSQL(synced=True, settings={"autovacuum_naptime": "5s"}) as server:
        engine = open_engine(f"{server.url}?create=1")
        with closing(engine.admin()) as admin:
            admin.queues()

        found = look(engine)

    assert levels(found, FAULT, WARNING) == set()
    assert levels(found, NOTE) == {"standby"}
    assert found["schema"].found == f"'pulpo', version {len(STEPS)}"


def test_a_look_makes_no_tables(postgresql: PostgreSQL) -> None:
    found = look(open_engine(f"{postgresql.url}?create=1&schema=looked_for"))

    assert found["schema"].level is FAULT
    assert postgresql.psql("SELECT to_regnamespace('looked_for') IS NULL") == "t"


def test_a_server_without_fsync_is_at_fault(postgresql: PostgreSQL, postgresql_url: str) -> None:
    assert look(open_engine(postgresql_url))["sync"].level is FAULT


def test_an_old_transaction_and_work_without_workers_are_seen(
    postgresql: PostgreSQL, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "_LONG", 0.2)
    engine = open_engine(postgresql_url)
    with closing(engine.adapter()) as adapter, psycopg.connect(postgresql.url) as other:
        adapter.put([NewJob(id=new_id(), type="t", queue="left", body=b"")])
        other.execute("SELECT txid_current()")
        other.execute("DECLARE c CURSOR FOR SELECT 1")
        time.sleep(0.3)

        found = look(engine)

    assert found["transactions"].level is WARNING
    assert "'left'" in found["workers"].found


def test_the_living_and_the_dead_are_counted(postgresql_url: str) -> None:
    engine = open_engine(postgresql_url)
    with closing(engine.adapter()) as alive, closing(engine.adapter()) as dead:
        for adapter in (alive, dead):
            adapter.exchange([], ["q"], limit=1, timeout=0)
        end_session(dead._link.connection)  # type: ignore[attr-defined]

        assert look(engine)["owners"].found.startswith("1 worker process alive, 1 dead")


def test_a_server_that_is_away_is_out_of_reach() -> None:
    with pytest.raises(QueueUnavailableError):
        look(open_engine("postgresql://127.0.0.1:1/db"))


@pytest.mark.parametrize(
    ("name", "level", "change"),
    [
        ("version", FAULT, {"number": 120_001}),
        ("encoding", FAULT, {"encoding": "LATIN1"}),
        ("primary", FAULT, {"standby": True}),
        ("sync", FAULT, {"full_page_writes": "off"}),
        ("sync", OK, {"synchronous_commit": "off"}),
        ("standby", WARNING, {"synchronous_commit": "local"}),
        ("standby", NOTE, {"standbys": ""}),
        ("connections", WARNING, {"connections": 90}),
    ],
)
def test_each_setting_is_judged(name: str, level: Level, change: dict[str, Any]) -> None:
    found = by_name(verdicts.judge_server({**GOOD, **change}))

    assert found[name].level is level
    assert levels(by_name(verdicts.judge_server(GOOD)), FAULT, WARNING, NOTE) == set()


def test_what_the_session_and_the_clock_are_is_judged() -> None:
    session, clock = verdicts.judge_session, verdicts.judge_clock

    assert session(pooled=None, direct=True).level is OK
    assert session(pooled=None, direct=False).level is NOTE
    assert session(pooled=True, direct=True).level is NOTE
    assert session(pooled=False, direct=False).level is OK
    assert [clock(ahead).level for ahead in (0.5, 7.0, -7.0)] == [OK, WARNING, WARNING]


def test_what_vacuum_leaves_is_judged() -> None:
    def level(live: int, dead: int, **change: object) -> Level:
        return verdicts.judge_vacuum({**GOOD, **change}, live, dead, 2**20).level

    assert level(0, 400_000) is OK
    assert level(10, 600_000) is WARNING
    assert level(1_000_000, 600_000) is OK
    assert level(0, 0, naptime=60.0) is NOTE
    assert level(0, 0, autovacuum="off") is FAULT
