"""What was done, minute by minute, as it is told, read back and added up."""

from __future__ import annotations

import pytest

from pulpo.clock import ManualClock
from pulpo.side import Addition, SideStore
from pulpo.telling import BOUNDS, MinuteCount, merged, quantile, read_minutes, tell_minutes

MINUTE = 1_800_000_000
LONGEST = "t" * 200


def buckets(**numbers: int) -> tuple[int, ...]:
    found = [0] * (len(BOUNDS) + 1)
    for name, number in numbers.items():
        found[int(name[1:])] = number
    return tuple(found)


def count(minute: int = MINUTE, outcome: str = "success", **more: object) -> MinuteCount:
    fields = {"queue": "q", "type": "t", "jobs": 1, **more}
    return MinuteCount(minute=minute, outcome=outcome, **fields)  # type: ignore[arg-type]


def test_a_count_is_read_as_it_was_told(store: SideStore) -> None:
    told = count(
        queue="q" * 200,
        type=LONGEST,
        outcome="cancelled",
        jobs=7,
        seconds=1.5,
        runtimes=buckets(b0=5, b14=2),
        waited=0.25,
        waits=buckets(b3=1),
    )
    tell_minutes(store, [told])

    assert read_minutes(store, since=MINUTE) == (told,)


def test_what_several_tell_of_a_minute_adds_up(store: SideStore) -> None:
    tell_minutes(store, [count(seconds=0.5, runtimes=buckets(b1=1))])
    tell_minutes(store, [count(seconds=0.25, runtimes=buckets(b1=1)), count(outcome="buried")])

    assert read_minutes(store, since=MINUTE) == (
        count(outcome="buried"),
        count(jobs=2, seconds=0.75, runtimes=buckets(b1=2)),
    )


def test_a_time_is_asked_for_from_its_minute_on(store: SideStore) -> None:
    tell_minutes(store, [count(MINUTE + 60 * number) for number in range(4)])

    def minutes(since: float, until: float | None = None) -> list[int]:
        found = read_minutes(store, since=since, until=until)
        return [(seen.minute - MINUTE) // 60 for seen in found]

    assert minutes(MINUTE) == [0, 1, 2, 3]
    assert minutes(MINUTE + 119) == [1, 2, 3]
    assert minutes(MINUTE + 60, MINUTE + 185) == [1, 2]
    assert minutes(-1e9) == [0, 1, 2, 3]


def test_a_minute_is_kept_for_a_day(store: SideStore, clock: ManualClock) -> None:
    tell_minutes(store, [count()])
    clock.advance(86_399.0)
    assert len(read_minutes(store, since=0)) == 1
    clock.advance(1.0)

    assert read_minutes(store, since=0) == ()


def test_what_is_not_of_our_making_is_left_out(store: SideStore) -> None:
    keys = ["stranger", "0030000000 q t", "now q t success", "0030000000 q t success more"]
    store.add([Addition(space="minutes", key=key, amounts={"jobs": 1}, lasts=None) for key in keys])

    assert read_minutes(store, since=0) == ()


def test_counts_are_added_up_by_what_is_named() -> None:
    counts = [
        count(seconds=1.0, runtimes=buckets(b0=1), waited=2.0, waits=buckets(b2=1)),
        count(MINUTE + 60, seconds=2.0, runtimes=buckets(b0=1, b1=1), jobs=2),
        count(outcome="retried", type="u"),
    ]

    assert merged(counts) == (
        MinuteCount(
            minute=0,
            queue="q",
            type="t",
            outcome="success",
            jobs=3,
            seconds=3.0,
            runtimes=buckets(b0=2, b1=1),
            waited=2.0,
            waits=buckets(b2=1),
        ),
        MinuteCount(minute=0, queue="q", type="u", outcome="retried", jobs=1),
    )
    assert [(seen.minute, seen.jobs) for seen in merged(counts, by=("minute",))] == [
        (MINUTE, 2),
        (MINUTE + 60, 2),
    ]
    assert [(seen.type, seen.jobs) for seen in merged(counts, by=())] == [("", 4)]


def test_a_quantile_lies_within_its_bucket() -> None:
    assert quantile(buckets(), 0.5) is None
    assert quantile(buckets(b0=2), 0.5) == pytest.approx(0.0025)
    assert quantile(buckets(b0=1, b3=2, b6=1), 0.5) == pytest.approx(0.0375)
    assert quantile(buckets(b0=99, b15=1), 0.99) == pytest.approx(0.005)
    assert quantile(buckets(b0=99, b15=1), 1.0) == 600.0
