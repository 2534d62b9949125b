"""What limits keep beside the queue, as it is read back: also what nobody of ours has written."""

from __future__ import annotations

import pytest

from pulpo.job import Sighting
from pulpo.limit import Limit
from pulpo.side import SideStore, Write
from pulpo.telling.limits import (
    SLOTS,
    WAITING,
    Holder,
    free_slots,
    rate_write,
    read_limits,
    read_waiters,
    slot_removal,
    slot_write,
    taken_slots,
    waiter_removal,
    waiter_write,
)

LIMIT = Limit(concurrency=3, per="who", rate="1/min")
KEY = LIMIT.key("charge", {"who": 7})
HOLDER = Holder(job="j1", type="charge", host="app-3", pid=42)


def test_a_limit_is_read_with_those_who_have_slots_and_those_who_wait(store: SideStore) -> None:
    waits = [Sighting(f"j{n}", n, "default") for n in (3, 2)]
    store.write(
        [
            slot_write(KEY, LIMIT, 1, HOLDER),
            *(waiter_write(KEY, LIMIT, 65_536, job) for job in waits),
            rate_write(KEY, LIMIT, 90.0, expected=0),
        ]
    )

    (seen,) = read_limits(store)

    assert (seen.key, seen.name, seen.shown) == (KEY.text, "charge", "charge (who=7)")
    assert (seen.concurrency, seen.holders, seen.waiting) == (3, (HOLDER,), 2)
    assert (seen.rate, seen.used_for) == ("1/min", pytest.approx(90.0))
    assert [waiter.job.id for waiter in read_waiters(store, KEY.text)] == ["j2", "j3"]
    assert (free_slots(store, KEY, LIMIT), taken_slots(store, KEY.text)) == ([0, 2], 1)


def test_the_most_urgent_is_read_first(store: SideStore) -> None:
    store.write(
        [
            waiter_write(KEY, LIMIT, priority, Sighting(f"j{priority}", 1, "q"))
            for priority in (9, 80)
        ]
    )

    assert [w.job.id for w in read_waiters(store, KEY.text, most=1)] == ["j9"]


def test_limits_whose_names_begin_alike_are_kept_apart(store: SideStore) -> None:
    limit = Limit(concurrency=1)
    for type in ("a", "ab", "a!"):
        store.write([slot_write(limit.key(type, {}), limit, 0, HOLDER)])

    assert taken_slots(store, "a") == 1
    assert [seen.name for seen in read_limits(store)] == ["a", "a!", "ab"]


def test_what_is_given_back_is_not_there_any_more(store: SideStore) -> None:
    (written,) = store.write([slot_write(KEY, LIMIT, 0, HOLDER)])
    store.write([waiter_write(KEY, LIMIT, 1, Sighting("j", 1, "q"))])
    assert written.fact is not None

    assert store.remove([slot_removal(KEY, 0, expected=written.fact.version + 1)]) == [False]
    assert store.remove(
        [slot_removal(KEY, 0, expected=written.fact.version), waiter_removal(KEY, 1, "j")]
    ) == [True, True]

    assert read_limits(store) == ()


def test_what_is_no_such_fact_is_left_out_or_shown_as_it_is(store: SideStore) -> None:
    for value in (b"", b"[]", b"\xff", b'{"job": 7}'):
        store.write([Write(space=WAITING, key="odd 1", value=value, lasts=None)])
        store.write([Write(space=SLOTS, key="odd 00000", value=value, lasts=None)])

        assert read_waiters(store) == []
        (seen,) = read_limits(store)
        assert (seen.name, seen.concurrency, len(seen.holders), seen.waiting) == ("odd", 0, 1, 1)
