"""Ticks of rules, beside a brute-force oracle that knows nothing of how they are found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulpo.errors import UnsupportedError, UsageError
from pulpo.periodic import Cron, Every, make_timing
from pulpo.periodic.rules import find_zone, make_cron, make_every

# Europe moves its clocks at night, Santiago and Cairo at midnight, Lord Howe by half an hour, the
# others hardly ever or never; Apia once left out a whole day (2011-12-30).
ZONES = (
    "Europe/Zurich",
    "America/New_York",
    "America/Santiago",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "UTC",
)
DAYS = ("*", "1", "15", "28-31", "*/7")
WEEKDAYS = ("*", "mon-fri", "sun", "0,6")


def oracle(
    rule: tuple[Sequence[int], Sequence[int]],
    match_day: object,
    zone: ZoneInfo,
    first: datetime,
    days: int,
) -> list[float]:
    """Go through each minute that there is; say when the clock of the zone shows a named time."""
    minutes, hours = rule
    every_hour = len(set(hours)) == 24
    found: list[float] = []
    shown: set[datetime] = set()
    before = (first - timedelta(minutes=1)).astimezone(zone).replace(tzinfo=None)
    for number in range(days * 1440):
        moment = first + timedelta(minutes=number)
        local = moment.astimezone(zone).replace(tzinfo=None)
        # What the clock shows in this minute: usually one time; where it was put forward, those
        # that it has left out as well.
        times = [local]
        while not every_hour and times[0] - before > timedelta(minutes=1):
            times.insert(0, times[0] - timedelta(minutes=1))
        before = max(before, local) if not every_hour else local
        for time in times:
            is_new = every_hour or time not in shown
            if is_new and time.minute in minutes and time.hour in hours and match_day(time):
                found.append(moment.timestamp())
                break
        shown.update(times)
    return found


def day_matcher(days: str, weekdays: str):
    number_of = {
        "*": set(range(1, 32)),
        "1": {1},
        "15": {15},
        "28-31": {28, 29, 30, 31},
        "*/7": {1, 8, 15, 22, 29},
    }[days]
    names = {"*": set(range(7)), "mon-fri": {0, 1, 2, 3, 4}, "sun": {6}, "0,6": {6, 5}}[weekdays]
    both = days.startswith("*") or weekdays.startswith("*")

    def match(time: datetime) -> bool:
        one, other = time.day in number_of, time.weekday() in names
        return one and other if both else one or other

    return match


@cache
def transitions(zone: ZoneInfo, year: int) -> list[datetime]:
    """Return the hours of a year in which a zone's clock is moved."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(0, 366 * 24, 4)]
    offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
    return [hours[n + 1] for n, (one, other) in enumerate(pairwise(offsets)) if one != other]


minute_fields = st.one_of(
    st.just(("*", list(range(60)))),
    st.sampled_from([5, 7, 15, 20, 30]).map(lambda n: (f"*/{n}", list(range(0, 60, n)))),
    st.lists(st.integers(0, 59), min_size=1, max_size=3, unique=True).map(
        lambda ns: (",".join(map(str, ns)), ns)
    ),
)
hour_fields = st.one_of(
    st.sampled_from(["*", "0-23", "*/1"]).map(lambda text: (text, list(range(24)))),
    st.sampled_from([2, 3, 6]).map(lambda n: (f"*/{n}", list(range(0, 24, n)))),
    st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True).map(
        lambda ns: (",".join(map(str, ns)), ns)
    ),
    st.just(("0-22", list(range(23)))),
)


@settings(max_examples=120, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    year=st.integers(2008, 2036),
    which=st.integers(0, 3),
    minutes=minute_fields,
    hours=hour_fields,
    days=st.sampled_from(DAYS),
    weekdays=st.sampled_from(WEEKDAYS),
)
def test_a_cron_ticks_as_the_clock_on_the_wall_shows(
    zone, year, which, minutes, hours, days, weekdays
):
    """Around the nights in which clocks are moved, or any other week where none is."""
    place = ZoneInfo(zone)
    moved = transitions(place, year)
    middle = moved[which % len(moved)] if moved else datetime(year, 6, 1, tzinfo=UTC)
    first = middle - timedelta(days=2)
    expression = f"{minutes[0]} {hours[0]} {days} * {weekdays}"

    rule = make_cron(expression, zone)
    # The oracle begins a day earlier, so that it has seen what a first minute may repeat.
    expected = oracle(
        (minutes[1], hours[1]),
        day_matcher(days, weekdays),
        place,
        first - timedelta(days=1),
        5,
    )
    expected = [tick for tick in expected if tick >= first.timestamp()]
    until = (first + timedelta(days=4)).timestamp()
    assert expected == list(takewhile(lambda t: t < until, rule.after(first.timestamp() - 1)))


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    start=st.integers(1_200_000_000, 2_100_000_000),
    cut=st.integers(1, 40),
    expression=st.sampled_from(
        ["30 2 * * *", "*/15 * * * *", "0 0 * * *", "0 */2 * * *", "*/20 2 1 * *"]
    ),
)
def test_ticks_do_not_depend_on_where_one_begins_to_look(zone, start, cut, expression):
    rule = make_cron(expression, zone)
    walked = list(islice(rule.after(start), 40))

    assert walked == sorted(set(walked))
    assert all(start < tick for tick in walked)
    assert walked[cut:] == list(islice(rule.after(walked[cut - 1]), 40 - cut))


def local(rule: Cron, start: str, count: int) -> list[str]:
    zone = ZoneInfo(rule.tz)
    moment = datetime.fromisoformat(start).replace(tzinfo=zone).timestamp()
    return [
        datetime.fromtimestamp(tick, zone).strftime("%d %H:%M%z")
        for tick in islice(rule.after(moment), count)
    ]


@pytest.mark.parametrize(
    ("expression", "start", "ticks"),
    [
        ("30 2 * * *", "2026-03-28T03:00", ["29 03:00+0200", "30 02:30+0200"]),
        ("*/20 2 * * *", "2026-03-28T03:00", ["29 03:00+0200", "30 02:00+0200"]),
        ("30 2 * * *", "2026-10-24T03:00", ["25 02:30+0200", "26 02:30+0100"]),
        ("*/30 2 * * *", "2026-10-25T01:00", ["25 02:00+0200", "25 02:30+0200", "26 02:00+0100"]),
        ("*/30 * * * *", "2026-03-29T01:00", ["29 01:30+0100", "29 03:00+0200"]),
        ("0 * * * *", "2026-10-25T01:30", ["25 02:00+0200", "25 02:00+0100", "25 03:00+0100"]),
        ("0 0-23 * * *", "2026-10-25T01:30", ["25 02:00+0200", "25 02:00+0100", "25 03:00+0100"]),
        ("0 9 * * mon-fri", "2026-10-23T09:00", ["26 09:00+0100", "27 09:00+0100"]),
    ],
)
def test_the_night_in_which_clocks_are_moved(expression, start, ticks):
    assert ticks == local(Cron(expression, "Europe/Zurich"), start, len(ticks))


def test_a_day_that_never_was_runs_at_the_first_moment_after_it():
    """Samoa went to bed on 29 December 2011 and rose on the 31st."""
    ticks = local(Cron("0 9 * * *", "Pacific/Apia"), "2011-12-29T09:00", 2)

    assert ticks == ["31 00:00+1400", "31 09:00+1400"]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("0 9 * *", "five fields"),
        ("*/10 * * * * *", "five fields"),
        ("@daily", "five fields"),
        ("61 * * * *", "bad minute"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("* * */20 * 1L", "never comes"),
        ("0 0 31 2,4 *", "bad day-of-month"),
    ],
)
def test_nonsense_is_refused_by_name(expression, says):
    with pytest.raises(UsageError, match=says) as refused:
        make_cron(expression, "UTC")

    assert repr(expression) in str(refused.value)


def test_an_unknown_zone_is_refused_with_a_hint():
    with pytest.raises(UsageError, match="did you mean 'Europe/Zurich'"):
        make_cron("0 9 * * *", "Europe/Zurch")
    with pytest.raises(UsageError, match="no time zone"):
        make_cron("0 9 * * *", "../../etc/passwd")


def test_a_machine_without_zones_says_what_to_install(monkeypatch):
    monkeypatch.setattr("zoneinfo.TZPATH", ())
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    monkeypatch.setitem(sys.modules, "tzdata", None)
    find_zone.cache_clear()
    ZoneInfo.clear_cache()

    with pytest.raises(UsageError, match="pip install tzdata"):
        find_zone("Nowhere/Land")


def test_without_cronsim_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cronsim", None)

    with pytest.raises(UnsupportedError, match=r"pip install 'pulpo-messaging\[schedules\]'"):
        make_timing({"cron": "0 9 * * *"})
    assert make_timing({"every": "10m"}) is not None


@given(
    length=st.integers(1, 86_400),
    after=st.floats(0, 2e9),
    span=st.integers(0, 5_000),
    most=st.integers(1, 40),
)
def test_every_ticks_at_multiples_since_the_epoch(length, after, span, most):
    rule = Every(length)
    # The oracle: each second of the span.
    seconds = range(int(after) + 1, int(after + span) + 1)
    expected = [float(s) for s in seconds if s % length == 0]

    ticks, others = rule.within(after, after + span, most=most)
    assert (expected[-most:], len(expected)) == (ticks, len(ticks) + others)
    assert expected[:5] == list(
        islice(takewhile(lambda t: t <= after + span, rule.after(after)), 5)
    )


def test_within_keeps_the_last_ticks_of_a_cron_and_counts_the_others():
    rule = Cron("0 * * * *")

    ticks, others = rule.within(0.0, 10 * 3600.0, most=3)

    assert (ticks, others) == ([8 * 3600.0, 9 * 3600.0, 10 * 3600.0], 7)


@pytest.mark.parametrize("length", [0, 0.5, "500ms", "90.5s", "367d"])
def test_every_is_whole_seconds_up_to_a_year(length):
    with pytest.raises(UsageError, match="every must be"):
        make_every(length)
