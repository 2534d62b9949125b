"""What an act does to jobs that were seen: the same orders as those of the command line.

Called in a thread that owns an admin. Knows no page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pulpo.adapter import QueueAdmin
from pulpo.amend import buried
from pulpo.bulk import Order, Tally, carry_out
from pulpo.codec import Codec
from pulpo.dashboard.verbs import ACTS
from pulpo.errors import UsageError
from pulpo.job import Act, Sighting
from pulpo.job_filter import JobFilter

__all__ = ["carried_out", "order"]

_REASON = "buried by an operator"


def order(
    verb: str, wanted: JobFilter, keys: Codec, *, now: float, max_body: Callable[[], int]
) -> Order:
    """Return what is wanted of jobs; `max_body` is asked only where jobs are written anew."""
    if verb != "bury":
        return Order(act=ACTS[verb], wanted=wanted, codec=keys, now=now)
    most = max_body()
    return Order(
        act=Act.BURY,
        wanted=wanted,
        codec=keys,
        now=now,
        rewrite=lambda job: buried(job, _REASON, keys, max_body=most),
    )


def carried_out(admin: QueueAdmin, asked: Order, jobs: Sequence[Sighting]) -> int:
    """Do it, and return to how many jobs; raises `UsageError` with the reason for which none was.

    Jobs that others took or changed meanwhile are no reason.
    """
    tally = Tally()
    for tally in carry_out(admin, asked, jobs):  # noqa: B007  # the last one has all of it
        pass
    if tally.refused and not tally.done:
        raise UsageError("; ".join(sorted(tally.why)[:5]))
    return tally.done
