"""The moments that a cron expression names in a time zone: the one file that needs cronsim.

cronsim reads the expression and walks the calendar of local times. What daylight saving does to
them is decided here, because its own rule depends on how a field is written (`*/15 2 * * *` would
not run at all in the night in which there is no 2 o'clock):

- An expression that names hours names local times. One that does not exist in a night runs at the
  first moment that does; one that exists twice runs once, the first time.
- An expression for every hour names none. It runs as time passes: in each hour that there is, in
  both of two that are called the same, and never for one that there is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from types import ModuleType
from typing import TYPE_CHECKING

from pulpo.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    from cronsim import CronSim

__all__ = ["check_cron", "in_words", "moments"]

_EVERY_HOUR = frozenset(range(24))
# In seconds: a clock that is put back shows again what it has shown in so much time before.
_SOON = 10_800.0
# Where a search for the first one begins; any day will do.
_ANY_DAY = datetime(2000, 1, 1)  # noqa: DTZ001  # a local time, of no zone


def check_cron(expression: str) -> None:
    """Raise `UsageError` for what is no cron expression, or one that never comes."""
    if len(expression.split()) != 5:
        raise UsageError(
            "cron must be five fields: minute hour day-of-month month day-of-week, "
            f"like '0 9 * * mon-fri': {expression!r}"
        )
    cronsim = _cronsim()
    try:
        next(cronsim.CronSim(expression, _ANY_DAY))
    except cronsim.CronSimError as error:
        raise UsageError(f"cron {expression!r}: {str(error).lower()}") from None
    except StopIteration:
        raise UsageError(f"cron {expression!r} never comes") from None


def in_words(expression: str) -> str:
    """Return what a checked expression says, as an English sentence."""
    return str(_walk(expression, _ANY_DAY).explain())


def moments(expression: str, zone: tzinfo, after: float) -> Iterator[float]:
    """Yield the seconds since the epoch that a checked expression names, later ones than `after`.

    It ends where nothing comes within 50 years.
    """
    after = after // 1  # whole seconds
    local = _shown(after, zone)
    if set(_walk(expression, local).hours) == _EVERY_HOUR:
        yield from _as_time_passes(expression, zone, after)
        return
    last = after
    # From a day earlier: a clock that is put back must not take us past anything.
    for each in _walk(expression, local - timedelta(days=1)):
        moment = _first_moment(each, zone)
        if moment > last:  # several that do not exist run at one moment
            last = moment
            yield moment


def _first_moment(local: datetime, zone: tzinfo) -> float:
    """Return the first moment at which a clock in the zone shows a local time, or a later one."""
    moment = _second(local.replace(tzinfo=zone, fold=0))
    if _shown(moment, zone) == local:
        return moment
    # It does not exist: by the clock of before that is a moment behind the gap, by the clock of
    # after one in front of it.
    return _change(zone, _second(local.replace(tzinfo=zone, fold=1)), moment)


def _as_time_passes(expression: str, zone: tzinfo, after: float) -> Iterator[float]:
    """Yield each moment at which the clock shows a named time, for the first time or again."""
    local, offset = _shown(after, zone), _offset(after, zone)
    while True:
        for each in _walk(expression, local):
            moment = _second(each.replace(tzinfo=UTC)) - offset
            # Twice a year the clock is moved meanwhile: soon after, or at last.
            near = min(after + _SOON, moment)
            late = near if _offset(near, zone) != offset else moment
            if _offset(late, zone) != offset:
                break
            yield moment
            after = moment
        else:
            return
        # On from there, by what it shows since then.
        after = _change(zone, after, late)
        local, offset = _shown(after, zone) - timedelta(seconds=1), _offset(after, zone)


def _change(zone: tzinfo, early: float, late: float) -> float:
    """Return the first second after `early` with the distance to UTC that there is at `late`.

    At `early` it has to be another one.
    """
    offset = _offset(early, zone)
    while late - early > 1:
        middle = (early + late) // 2
        if _offset(middle, zone) == offset:
            early = middle
        else:
            late = middle
    return late


def _shown(moment: float, zone: tzinfo) -> datetime:
    """Return what a clock in the zone shows, without saying in which zone."""
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0)


def _offset(moment: float, zone: tzinfo) -> float:
    offset = datetime.fromtimestamp(moment, zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()


def _second(moment: datetime) -> float:
    return float((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1))


def _walk(expression: str, local: datetime) -> CronSim:
    return _cronsim().CronSim(expression, local)  # type: ignore[no-any-return]  # an extra


def _cronsim() -> ModuleType:
    try:
        import cronsim  # noqa: PLC0415  # an extra
    except ImportError:
        raise UnsupportedError(
            "cron needs cronsim: pip install 'pulpo-messaging[schedules]' (every='10m' needs "
            "nothing more)"
        ) from None
    return cronsim
