"""How one reservation is shared among servers, so that the most urgent jobs of all come first.

Pure. A server does not say what waits behind the jobs that it gave. Unless it says that it has no
more, there may be some, and none of that is more urgent than the last one of these: its *front*. A
job that is less urgent than any front must wait, and goes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["bound", "probes", "shares"]


def shares(
    limit: int, places: Sequence[int], fronts: Mapping[int, int], turn: int
) -> dict[int, int]:
    """Return how many jobs to ask each server for.

    `places` are the servers that answer, `fronts` the priorities at which the last look at some of
    them ended. Those with the most urgent front share the limit, by turns where it is too small for
    all. The others are asked for one job each, to see whether something more urgent has come; so
    is who had nothing left.
    """
    first, known = _first(places, fronts), _best(places, fronts) is not None
    asked = dict.fromkeys(places, 1)
    # Who is known to have more can wait for its turn; who may have something urgent can't.
    least = min(limit, len(first)) if known else len(first)
    each, more = divmod(max(limit - (len(places) - len(first)), least), len(first))
    for number, place in enumerate(first):
        asked[place] = each + ((number - turn) % len(first) < more)
    return asked


def probes(places: Sequence[int], fronts: Mapping[int, int]) -> list[int]:
    """Return those servers whose jobs are known to be less urgent than those of another one."""
    best = _best(places, fronts)
    return [place for place in places if best is not None and fronts.get(place, best) > best]


def bound(fronts: Mapping[int, int]) -> int | None:
    """Return the priority beyond which jobs must wait; None where none has to."""
    return min(fronts.values(), default=None)


def _first(places: Sequence[int], fronts: Mapping[int, int]) -> list[int]:
    best = _best(places, fronts)
    # Where nobody has more, all are alike.
    return [place for place in places if best is None or fronts.get(place) == best]


def _best(places: Sequence[int], fronts: Mapping[int, int]) -> int | None:
    return min((fronts[place] for place in places if place in fronts), default=None)
