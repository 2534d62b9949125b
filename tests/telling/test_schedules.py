"""What is known of schedules, as it is written and read back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pulpo.clock import ManualClock
from pulpo.periodic import Cron, Every, Missed, Overlap, Timing
from pulpo.side import SideStore, Write
from pulpo.telling.schedules import (
    KEEPER_LASTS,
    LASTS,
    Definition,
    Keeper,
    ScheduleFact,
    TickOutcome,
    forget_keeper,
    forget_schedule,
    read_keepers,
    read_outcomes,
    read_schedules,
    tell_keeper,
    tell_outcomes,
    write_schedule,
)

TIMING = Timing(
    rule=Cron("0 9 * * *", "Europe/Zurich"),
    missed=Missed.ALL,
    within=3_600.0,
    overlap=Overlap.QUEUE,
)
TOLD = Definition(timing=TIMING, type="report", queue="r", sample=b"\x93\x01\xff", expires=60.0)
FACT = ScheduleFact(
    name="daily",
    definition=TOLD,
    upto=1_800_000_000.0,
    waiting=1_799_999_000.0,
    paused=True,
    published=7,
    missed=2,
    skipped=1,
    job="a-job",
    tick=1_799_990_000.0,
)
KEEPER = Keeper(id="me", since=(1.0, 2.0), schedules={"daily": TOLD.digest})


@pytest.mark.parametrize("rule", [TIMING.rule, Every(600)])
def test_a_schedule_is_read_as_it_was_written(store: SideStore, rule: Cron | Every) -> None:
    fact = replace(FACT, definition=replace(TOLD, timing=replace(TIMING, rule=rule)))

    assert write_schedule(store, fact)

    (seen,) = read_schedules(store).values()
    assert replace(seen, version=0) == fact
    assert read_schedules(store, ["daily", "nobodys"]) == {"daily": seen}


def test_of_two_who_write_one_is_first(store: SideStore) -> None:
    assert write_schedule(store, FACT)
    assert not write_schedule(store, FACT)
    (seen,) = read_schedules(store).values()
    assert write_schedule(store, replace(seen, upto=seen.upto + 1))
    assert not write_schedule(store, replace(seen, upto=seen.upto + 2))
    assert forget_schedule(store, "daily")
    assert not forget_schedule(store, "daily")


def test_it_is_known_for_longer_than_a_year_after_its_last_tick(
    store: SideStore, clock: ManualClock
) -> None:
    write_schedule(store, FACT)
    clock.advance(366 * 86_400.0)
    (seen,) = read_schedules(store).values()
    assert seen.left == pytest.approx(LASTS - 366 * 86_400.0)
    clock.advance(35 * 86_400.0)

    assert read_schedules(store) == {}


@pytest.mark.parametrize(
    "changed",
    [
        replace(TOLD, type="other"),
        replace(TOLD, queue="other"),
        replace(TOLD, sample=b"other"),
        replace(TOLD, expires=None),
        replace(TOLD, timing=replace(TIMING, rule=Every(60))),
        replace(TOLD, timing=replace(TIMING, rule=Cron("0 9 * * *", "UTC"))),
        replace(TOLD, timing=replace(TIMING, missed=Missed.SKIP)),
        replace(TOLD, timing=replace(TIMING, overlap=Overlap.ALLOW)),
        replace(TOLD, timing=replace(TIMING, within=60.0)),
    ],
)
def test_each_other_definition_has_another_digest(changed: Definition) -> None:
    assert changed.digest != TOLD.digest
    assert replace(TOLD).digest == TOLD.digest


def test_a_keeper_is_known_until_it_leaves_or_is_silent(
    store: SideStore, clock: ManualClock
) -> None:
    tell_keeper(store, KEEPER)
    tell_keeper(store, replace(KEEPER, id="other"))
    assert read_keepers(store) == (KEEPER, replace(KEEPER, id="other"))
    forget_keeper(store, "other")
    assert read_keepers(store) == (KEEPER,)
    clock.advance(KEEPER_LASTS + 1)

    assert read_keepers(store) == ()


@pytest.mark.parametrize("tick", [None, 1_800_000_000.0])
def test_an_outcome_is_read_as_it_was_told(store: SideStore, tick: float | None) -> None:
    outcome = TickOutcome(
        name="daily", id="x", tick=tick, outcome="buried", reason="why", seconds=1.5, ended=2.0
    )
    tell_outcomes(store, [outcome])

    assert read_outcomes(store) == {"daily": outcome}
    assert read_outcomes(store, ["nobodys"]) == {}


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b'{"definition": {}}', b'{"since": 1}', b"7"],
)
def test_what_is_of_no_known_shape_is_left_out(store: SideStore, value: bytes) -> None:
    for space in ("schedules", "timekeepers", "schedule-outcomes"):
        store.write([Write(space=space, key="odd", value=value, lasts=None)])

    assert (read_schedules(store), read_keepers(store), read_outcomes(store)) == ({}, (), {})
