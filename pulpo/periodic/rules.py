"""The two rules by which a schedule is due: each so many seconds, or by a calendar.

Knows no policy: what to do about ticks that nobody has published is said in `pulpo.periodic.plan`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from pulpo.duration import Duration, as_text, seconds
from pulpo.errors import UsageError, WrongTypeError
from pulpo.spelling import closest

if TYPE_CHECKING:
    from datetime import tzinfo

__all__ = ["Cron", "Every", "Rule"]

_LONGEST = 366 * 86_400.0


class Rule(Protocol):
    """When something is due; moments are whole seconds since the epoch."""

    def after(self, moment: float) -> Iterator[float]:
        """Yield the ticks later than a moment, in order."""
        ...

    def within(self, after: float, until: float, *, most: int) -> tuple[list[float], int]:
        """Return the last `most` ticks later than `after`, up to `until`, and how many others."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """Each so many whole seconds, counted from the epoch.

    So all workers know the same ticks without asking, and a restart or a deploy moves none.
    Daylight saving does not touch it.
    """

    seconds: int

    def after(self, moment: float) -> Iterator[float]:
        """Yield the ticks later than a moment, in order."""
        tick = (int(moment // self.seconds) + 1) * self.seconds
        while True:
            yield float(tick)
            tick += self.seconds

    def within(self, after: float, until: float, *, most: int) -> tuple[list[float], int]:
        """Return the last `most` ticks later than `after`, up to `until`, and how many others."""
        first, last = int(after // self.seconds) + 1, int(until // self.seconds)
        start = max(first, last - most + 1)
        ticks = [float(number * self.seconds) for number in range(start, last + 1)]
        return ticks, max(start - first, 0) if ticks else 0

    def __str__(self) -> str:
        return f"every {as_text(self.seconds)}"


@dataclass(frozen=True, slots=True)
class Cron:
    """The moments that a cron expression names in a time zone of IANA's."""

    expression: str
    tz: str = "UTC"

    def after(self, moment: float) -> Iterator[float]:
        """Yield the ticks later than a moment, in order; it ends where none comes in 50 years."""
        from pulpo.periodic.calendar import moments  # noqa: PLC0415  # an extra, behind it

        return moments(self.expression, find_zone(self.tz), moment)

    def within(self, after: float, until: float, *, most: int) -> tuple[list[float], int]:
        """Return the last `most` ticks later than `after`, up to `until`, and how many others."""
        kept: deque[float] = deque(maxlen=most)
        count = 0
        for tick in self.after(after):
            if tick > until:
                break
            kept.append(tick)
            count += 1
        return list(kept), count - len(kept)

    def __str__(self) -> str:
        return f"{self.expression} ({self.tz})"


def make_every(value: Duration) -> Every:
    """Return the rule, or say what is wrong with it."""
    length = seconds(value, "every", at_most=_LONGEST)
    if length < 1 or length != int(length):
        raise UsageError(f"every must be whole seconds, 1s to 366d: {value!r}")
    return Every(int(length))


def make_cron(expression: object, tz: object) -> Cron:
    """Return the rule, or say what is wrong with it; needs the extra `schedules`."""
    if not isinstance(expression, str):
        raise WrongTypeError(f"cron must be text, like '0 9 * * mon-fri': {expression!r}")
    if not isinstance(tz, str):
        raise WrongTypeError(f"tz must be a name like 'Europe/Zurich': {tz!r}")
    from pulpo.periodic.calendar import check_cron  # noqa: PLC0415  # an extra, behind it

    check_cron(expression)
    find_zone(tz)
    return Cron(" ".join(expression.split()), tz)


@lru_cache(maxsize=64)
def find_zone(name: str) -> tzinfo:
    """Return a time zone by its name; raises `UsageError` for one that is not known here."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones  # noqa: PLC0415  # slow

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass  # OSError: a folder of zones
    known = available_timezones()
    if not known:
        raise UsageError(
            f"there are no time zones on this machine, so tz can't be {name!r}: pip install tzdata"
        )
    close = closest(name, sorted(known))
    hint = f"did you mean {close!r}?" if close else "it is a name of IANA's, like 'Europe/Zurich'"
    raise UsageError(f"tz {name!r} is no time zone; {hint}")
