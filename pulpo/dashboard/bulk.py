"""All jobs that a filter shows: which ones an act is done to.

The person has confirmed a number; where more match by now, nothing is done. Only looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulpo.adapter import Glimpsing, QueueAdmin
from pulpo.codec import Codec
from pulpo.dashboard.filters import ListFilter
from pulpo.dashboard.looking import MOST_LOOKED_AT, look, survey
from pulpo.dashboard.verbs import can, states_for
from pulpo.errors import UsageError
from pulpo.job import ListedJob, Sighting
from pulpo.view import show

__all__ = ["BATCH", "Bulk", "ChangedError", "matching"]

# Jobs in one call: a short transaction, between which workers have their turn.
BATCH = 500


class ChangedError(UsageError):
    """More jobs match now than the person has seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """An act on all that matches; `most` is the number that was confirmed."""

    verb: str
    filter: ListFilter
    most: int


def matching(admin: QueueAdmin, bulk: Bulk, names: Sequence[str], keys: Codec) -> list[Sighting]:
    """Return the jobs that are meant, of the first ones that a page looks at too.

    Raises `ChangedError`.
    """
    meant = [job for job in _candidates(admin, bulk, names) if _is_meant(job, bulk, keys)]
    if len(meant) > bulk.most:
        raise ChangedError(
            f"it would be {len(meant):,} jobs now, not {bulk.most:,} as the page said; look again"
        )
    return [job.sighting for job in meant]


def _candidates(admin: QueueAdmin, bulk: Bulk, names: Sequence[str]) -> Sequence[ListedJob]:
    wanted = bulk.filter
    if wanted.searches or isinstance(admin, Glimpsing):
        return survey(admin, names, wanted.queue, wanted.state).jobs
    found: list[ListedJob] = []
    for state in states_for(bulk.verb, wanted.state):
        room = MOST_LOOKED_AT - len(found)
        found += look(admin, names, wanted.queue, state, limit=room).jobs if room else ()
    return found


def _is_meant(job: ListedJob, bulk: Bulk, keys: Codec) -> bool:
    searches = bulk.filter.searches
    return can(bulk.verb, job.state) and (not searches or bulk.filter.matches(show(job, keys)))
