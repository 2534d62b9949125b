"""Which ticks are published over a long time, whenever somebody looks; beside a plain oracle."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulpo.periodic import (
    LATE,
    MOST,
    Cron,
    Every,
    Missed,
    Timing,
    handover,
    make_timing,
    plan,
    trusted,
)

YEAR_2026 = 1_767_225_600.0
DAY = 86_400.0

rules = st.one_of(
    st.sampled_from([7, 60, 600, 3_600, 86_400]).map(Every),
    st.tuples(
        st.sampled_from(["*/10 * * * *", "30 2 * * *", "0 9 * * mon-fri", "0 0 1 * *"]),
        st.sampled_from(["Europe/Zurich", "America/Santiago", "UTC"]),
    ).map(lambda pair: Cron(*pair)),
)
# From look to look: as a worker that sleeps until the next tick, a slow one, and hours without one.
steps = st.lists(
    st.one_of(st.floats(0.1, 59), st.floats(60, 4_000), st.floats(4_000, 9 * DAY)),
    min_size=1,
    max_size=25,
)


def expected(timing: Timing, since: float, now: float) -> list[float]:
    """Say which ticks one look publishes, in the words of the documentation."""
    due = timing.rule.within(since, now, most=10**9)[0]
    in_time = [tick for tick in due if now - tick < LATE]
    missed = [tick for tick in due if LATE <= now - tick < timing.within]
    if timing.missed is Missed.SKIP or (timing.missed is Missed.ONCE and in_time):
        missed = []
    elif timing.missed is Missed.ONCE:
        missed = missed[-1:]
    return (missed + in_time)[-MOST:]


@settings(max_examples=150, deadline=None)
@given(rule=rules, missed=st.sampled_from(Missed), within=st.sampled_from([60.0, 3_600.0, 7 * DAY]),
       start=st.floats(0, 365 * DAY), steps=steps)  # fmt: skip
def test_each_look_publishes_what_the_policy_says(rule, missed, within, start, steps):
    timing = Timing(rule=rule, missed=missed, within=within)
    since = YEAR_2026 + start

    for now in accumulate(steps, initial=since):
        found = plan(timing, since, now)
        assert expected(timing, since, now) == list(found.ticks)
        assert found.upto >= since
        assert not rule.within(found.upto, now, most=1)[0]  # nothing is left behind
        assert found.next is None or found.next > now
        since = found.upto


@settings(max_examples=60, deadline=None)
@given(rule=rules, start=st.floats(0, 365 * DAY), steps=steps)
def test_with_all_each_tick_is_published_once_and_none_is_missed(rule, start, steps):
    timing = Timing(rule=rule, missed=Missed.ALL, within=366 * DAY)
    since = begin = YEAR_2026 + start
    published: list[float] = []
    missed = 0

    for now in accumulate(steps, initial=since):
        found = plan(timing, since, now)
        published += found.ticks
        missed += found.missed
        since = found.upto

    every = rule.within(begin, now, most=10**9)[0]
    assert sorted(set(published)) == published
    assert len(every) == len(published) + missed
    assert set(published) <= set(every)
    if not missed:
        assert every == published


def test_a_worker_that_wakes_late_by_seconds_has_missed_nothing():
    timing = Timing(rule=Every(1), missed=Missed.SKIP)

    assert len(plan(timing, 1_000.0, 1_030.0).ticks) == 30


def test_the_first_tick_in_time_stands_for_those_that_were_missed():
    timing = make_timing({"every": "10m"})
    assert timing is not None

    assert plan(timing, 0.0, 6_010.0).ticks == (6_000.0,)
    assert plan(timing, 0.0, 6_500.0).ticks == (6_000.0,)  # none in time: the last of the missed
    assert plan(timing, 0.0, 6_500.0).missed == 9


def test_all_has_a_bound_in_number_and_in_age():
    timing = Timing(rule=Every(60), missed=Missed.ALL, within=3_600.0)
    assert len(plan(timing, 0.0, 90_000.0).ticks) == 60

    timing = Timing(rule=Every(1), missed=Missed.ALL)
    found = plan(timing, 0.0, 5_000.0)
    assert (len(found.ticks), found.missed, found.ticks[-1]) == (MOST, 4_000, 5_000.0)


def test_ten_years_without_a_worker_are_planned_at_once():
    timing = Timing(rule=Every(1), missed=Missed.ONCE)

    found = plan(timing, 0.0, 3_650 * DAY)

    assert (found.ticks[0], len(found.ticks)) == (3_650 * DAY - 59, 60)  # those of the last minute


def test_a_clock_that_is_put_back_publishes_nothing_again():
    timing = Timing(rule=Every(600))

    found = plan(timing, 6_000.0, 3_000.0)

    assert (found.ticks, found.upto, found.next) == ((), 6_000.0, 6_600.0)


def test_what_a_clock_far_ahead_has_said_is_not_trusted():
    assert trusted(YEAR_2026 + DAY, YEAR_2026) == YEAR_2026 + DAY
    assert trusted(YEAR_2026 + DAY + 1, YEAR_2026) == YEAR_2026


def test_a_rule_that_never_comes_again_has_no_next():
    class Never:
        def after(self, moment):
            return iter(())

        def within(self, after, until, *, most):
            return [], 0

    assert plan(Timing(rule=Never()), 0.0, 10.0).next is None


@pytest.mark.parametrize(
    ("since", "now", "begins"),
    [
        (6_000.0, 6_300.0, 6_300.0),  # nothing was missed by the old rule
        (6_000.0, 6_610.0, 6_599.0),  # the tick of 6600 was: from there on the new one counts
        (6_000.0, 5_000.0, 6_000.0),  # a clock behind
    ],
)
def test_a_changed_rule_makes_up_for_nothing_that_was_never_due(since, now, begins):
    assert begins == handover(Every(600), since, now)
