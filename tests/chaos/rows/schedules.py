"""S1: a year of periodic jobs by a clock that is moved, while those who publish them are killed."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import closing

from pulpo.adapters import open_engine
from pulpo.side import side_of
from pulpo.telling.schedules import ScheduleFact, read_schedules
from tests.chaos.clocks import WallClock
from tests.chaos.oracle import ticks_of
from tests.chaos.row import BOTH, DURABLE, Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, until

KEEPERS, PROCESSES = 2, 5
DAY = 86_400.0
YEAR = 366 * DAY
FURTHEST = 100 * DAY
MODULE, WORK = "tests.chaos.periodic_tasks", "tests.chaos.periodic_work"
OPTIONS = ("--processes", str(PROCESSES), "--threads", "1", "-q", "nobodys")


def act(trial: Trial) -> None:
    """Move the clock on and on, and kill; then compare with what the calendar says."""
    clock = WallClock(trial.folder / "clock")
    place = _place(trial)
    with place.worker("--processes", "1", module=WORK) as work:
        keepers = [_start(trial, place, clock) for _ in range(KEEPERS)]
        work.ready()
        all_of_them = len(ticks_of.rules)
        until(lambda: len(_facts(place)) == all_of_them, "all are known", patience=60)
        begun = {name: fact.upto for name, fact in _facts(place).items()}
        _pass_a_year(trial, place, clock, keepers)
        now = time.time() + YEAR
        expected = {name: ticks_of(name, since, now) for name, since in begun.items()}
        _must_come(trial, place, expected)
        codes = [keeper.ready().stop(timeout=60) for keeper in keepers]
        trial.must(not any(codes), f"workers ended with {codes}")
        trial.must(work.stop(timeout=60) == 0, "the one who ran it ended well")
    _judge(trial, place, expected, now)


def _place(trial: Trial) -> Place:
    if trial.on_beanstalkd:
        return trial.place(query=f"?side=sqlite:///{trial.folder}/side.db")
    return trial.place()


def _start(trial: Trial, place: Place, clock: WallClock) -> WorkerProcess:
    worker = place.worker(*OPTIONS, module=MODULE, **clock.environ)
    return trial.stack.enter_context(worker)


def _facts(place: Place) -> Mapping[str, ScheduleFact]:
    store = side_of(open_engine(place.url))
    assert store is not None
    with closing(store):
        return read_schedules(store)


def _pass_a_year(
    trial: Trial, place: Place, clock: WallClock, keepers: list[WorkerProcess]
) -> None:
    steps = trial.figures["steps"]
    ahead = 0.0
    for step in range(steps):
        # Some steps are minutes and some are weeks, and in the end it is a year.
        share = trial.chosen.uniform(0, 2 * (YEAR - ahead) / (steps - step))
        ahead = YEAR if step == steps - 1 else min(ahead + share, YEAR)
        clock.set(ahead)
        # A clock that goes by itself does not outrun whoever keeps it; this one would.
        _wait_until_near(place, ahead)
        time.sleep(trial.chosen.uniform(0, 0.15))
        if trial.chosen.random() < trial.figures["kills"] / steps:
            _strike(trial, place, clock, keepers)


def _wait_until_near(place: Place, ahead: float) -> None:
    def is_near() -> bool:
        last = min(fact.upto for fact in _facts(place).values())
        return time.time() + ahead - last < FURTHEST

    until(is_near, "they come after the clock", patience=60, pause=0.05)


def _strike(trial: Trial, place: Place, clock: WallClock, keepers: list[WorkerProcess]) -> None:
    """Kill one process, at every tenth time a whole worker."""
    struck = trial.counted["processes killed"] + trial.counted["workers killed"]
    if struck % 10 == 9:
        spot = trial.chosen.randrange(len(keepers))
        keepers[spot].kill()
        trial.count("workers killed")
        keepers[spot] = _start(trial, place, clock)
    elif trial.chosen.choice(keepers).strike(trial.chosen):
        trial.count("processes killed")


def _ran(place: Place) -> dict[str, list[int]]:
    path = place.ledger.folder / "ticks"
    found: dict[str, list[int]] = defaultdict(list)
    for line in path.read_text().splitlines() if path.exists() else ():
        name, tick, _ = line.split()
        found[name].append(int(tick))
    return found


def _must_come(trial: Trial, place: Place, expected: Mapping[str, set[int]]) -> None:
    def all_came() -> bool:
        ran = _ran(place)
        return all(ticks <= set(ran[name]) for name, ticks in expected.items())

    try:
        until(
            all_came,
            "every tick of the year",
            patience=120,
            pause=0.3,
        )
    except AssertionError as error:
        trial.must(False, str(error))


def _judge(trial: Trial, place: Place, expected: Mapping[str, set[int]], now: float) -> None:
    ran = _ran(place)
    for name, ticks in expected.items():
        counts = Counter(ran[name])
        trial.count("ticks", len(ticks))
        twice = [tick for tick, count in counts.items() if count > 1]
        missed = ticks - counts.keys()
        invented = {tick for tick in counts if tick <= now} - ticks
        trial.must(not twice, f"{name}: published twice: {sorted(twice)[:5]}")
        trial.must(not missed, f"{name}: missed: {sorted(missed)[:5]}")
        trial.must(not invented, f"{name}: never due: {sorted(invented)[:5]}")
        told = _facts(place)[name]
        trial.must(
            told.published == sum(counts.values()),
            f"{name}: {told.published} are said to be published, {sum(counts.values())} were",
        )
        trial.must(not told.missed, f"{name}: {told.missed} were given up")
    trial.must(trial.counted["processes killed"], "processes were killed")


ROWS = (
    Row(
        name="S1",
        says="ten processes keep periodic jobs over a year, summer time and all, and are killed",
        passes="each tick of each schedule is published once, none is missed",
        engines=DURABLE,
        short_on=BOTH,
        act=act,
        short={"steps": 30, "kills": 10},
        full={"steps": 600, "kills": 200},
    ),
)
