"""When the schedules of `tests.chaos.periodic_tasks` are due, found by looking at every minute.

Knows nothing of how pulpo finds it: it asks for each minute what the clock on the wall shows.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

__all__ = ["Oracle", "ticks_of"]

_MINUTE = timedelta(minutes=1)


class Oracle:
    """Says which ticks a schedule has between two moments."""

    def __init__(self) -> None:
        #: By name: the zone, and whether a local time is one that it names.
        self.rules: dict[str, tuple[str, Callable[[datetime], bool]]] = {
            "night": ("Europe/Zurich", lambda t: (t.hour, t.minute) == (2, 30)),
            "weekday": (
                "America/New_York",
                lambda t: (t.hour, t.minute) == (9, 0) and t.weekday() < 5,
            ),
            "hourly": ("Europe/Zurich", lambda t: t.hour % 6 == 0 and t.minute == 15),
            "steady": (
                "UTC",
                lambda t: (t - datetime(1970, 1, 1)) % timedelta(hours=11) == timedelta(),
            ),
        }

    def __call__(self, name: str, since: float, until: float) -> set[int]:
        """Return the seconds since the epoch, later than `since`, up to `until`."""
        zone, names = ZoneInfo(self.rules[name][0]), self.rules[name][1]
        moment = datetime.fromtimestamp(since // 60 * 60, UTC)
        shown = moment.astimezone(zone).replace(tzinfo=None)
        found = set()
        while moment.timestamp() <= until:
            local = moment.astimezone(zone).replace(tzinfo=None)
            # Where the clock was put forward, what it has left out is due now. Where it was put
            # back, it shows what it has shown before.
            while shown <= local:
                if names(shown) and moment.timestamp() > since:
                    found.add(int(moment.timestamp()))
                shown += _MINUTE
            moment += _MINUTE
        return found


ticks_of = Oracle()
