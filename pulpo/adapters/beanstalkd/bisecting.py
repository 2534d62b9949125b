"""Where a job with a pulpo id most likely is among beanstalkd's numbers: both grow with time.

An id says when it was made, a number in which order jobs were put. So a search by halves leads to
the neighbourhood of a job that was put soon after its id was made, in a few peeks. A job that was
put anew, because it was retried or moved, has a later number, and is not found like this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from pulpo.identity import published_at

__all__ = ["neighbourhood"]


class _Numbered(Protocol):
    @property
    def number(self) -> int: ...


Job = TypeVar("Job", bound=_Numbered)

# So many numbers are asked for at once; so many lie to each side of where the halves have met.
_WIDTH = 32
_AROUND = 250
_MOST = 10_000
# Places that are tried in a gap. What is oldest is run first, so most jobs lie above it.
_PROBES = 8


def neighbourhood(
    id: str,
    newest: int,
    *,
    peek: Callable[[Sequence[int]], Sequence[Job]],
    name: Callable[[Job], str],
) -> range:
    """Return the numbers around the place where this id belongs; none for a foreign id.

    `peek` returns the jobs that exist among some numbers, `name` the id of one.
    """
    made = published_at(id)
    if made is None:
        return range(0)

    def ages(place: int) -> list[float]:
        found = peek(range(place, min(place + _WIDTH, newest) + 1))
        return [age for job in found if (age := published_at(name(job))) is not None]

    # Many are made in one millisecond where they are published together: they have two ends.
    first = _edge(newest, ages, lambda age: age < made)
    last = max(first, _edge(newest, ages, lambda age: age <= made))
    last = min(last, first + _MOST)
    return range(max(1, first - _AROUND), min(newest, last + _AROUND) + 1)


def _edge(
    newest: int, ages: Callable[[int], Sequence[float]], is_before: Callable[[float], bool]
) -> int:
    """Return about where the jobs end whose age is before what is looked for."""
    low, high = 1, newest
    while high - low > _AROUND:
        place = middle = (low + high) // 2
        for probe in range(_PROBES):
            place = middle + (high - middle) * probe // _PROBES
            if found := ages(place):
                break
        else:
            low = place
            continue
        # The youngest one counts: others may be old jobs that were put anew.
        if is_before(max(found)):
            low = place
        else:
            high = place
    return (low + high) // 2
