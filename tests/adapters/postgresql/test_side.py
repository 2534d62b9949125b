"""Facts in the queue's own database: exact between processes, and synced."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from pulpo.adapters import open_engine
from pulpo.contract.side import SPACE, count, fact, values
from pulpo.side import side_of
from tests.adapters.postgresql.flushed import is_on_the_disk_after
from tests.adapters.test_side import ROUNDS, _race
from tests.lab.postgresql import PostgreSQL


def test_of_two_processes_that_race_each_key_goes_to_one(postgresql_url: str) -> None:
    steps = 0
    for turn in range(20):
        told = [race.split() for race in _race(postgresql_url, turn)]
        steps += 2 * ROUNDS
        store = side_of(open_engine(postgresql_url))
        assert store is not None
        with closing(store):
            assert sum(int(won) for won, _ in told) == ROUNDS, "each key is one's"
            (total,) = store.read(SPACE, ["sum"])
            assert total is not None
            assert total.amounts["n"] == steps, "no addition is lost"
            assert values(store, "step") == [b"%d" % steps], "no step is taken twice"
        if sum(int(beaten) for _, beaten in told):
            return
    pytest.fail("they never met")


def test_all_workers_tell_there(postgresql_url: str) -> None:
    store = side_of(open_engine(postgresql_url))
    assert store is not None
    with closing(store):
        assert store.is_whole


def test_batches_with_their_keys_in_any_order_do_not_lock_each_other_out(
    postgresql_url: str,
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def write(turn: int) -> None:
        store = side_of(open_engine(postgresql_url))
        assert store is not None
        keys = [f"k{n}" for n in range(20)]
        with closing(store):
            for _ in range(10):
                store.add([count(key, n=1) for key in (keys if turn % 2 else reversed(keys))])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))

    store = side_of(open_engine(postgresql_url))
    assert store is not None
    with closing(store):
        found = store.scan(SPACE)
    assert [seen.amounts["n"] for seen in found] == [40] * 20


def test_publishes_and_facts_are_synced_where_the_server_would_not(
    postgresql: PostgreSQL, postgresql_url: str
) -> None:
    store = side_of(open_engine(f"{postgresql_url}&options=-c%20synchronous_commit%3Doff"))
    assert store is not None
    with closing(store), psycopg.connect(postgresql.url, autocommit=True) as watch:
        names = iter("abc")
        assert is_on_the_disk_after(lambda: store.write([fact(next(names))]), watch)
