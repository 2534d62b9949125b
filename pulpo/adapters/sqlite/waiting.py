"""Waiting for jobs at a doorbell, at no cost: until somebody rings, something is due, or `wake`."""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.adapters.sqlite.database import Database
from pulpo.adapters.sqlite.doorbells import Doorbell
from pulpo.adapters.sqlite.trading import Trader
from pulpo.job import Job
from pulpo.system import wait_any
from pulpo.waker import Waker

__all__ = ["wait"]

# The safety net under the doorbells, in seconds: a ring may be lost with its process, and a dead
# worker rings nobody.
_SLOW_POLL = 1.0
# After a look that found a job and a claim that found it gone.
_AGAIN_SOON = 0.01


def wait(
    database: Database,
    trader: Trader,
    waker: Waker,
    queues: Sequence[str],
    *,
    limit: int,
    timeout: float,
) -> Sequence[Job]:
    """Return jobs as soon as there are some, or none after `timeout` seconds or a `wake`."""
    bell = trader.membership.bell() if limit else None
    fds = [waker.fileno()] if bell is None else [waker.fileno(), bell.fileno()]
    jobs: Sequence[Job] = ()
    rung: set[int] = set()
    while timeout > 0:
        rung, soonest = set(), _SLOW_POLL
        if limit:
            jobs, soonest = _listen(database, trader, bell, queues, limit)
        if jobs:
            break
        rung, elapsed = wait_any(fds, min(timeout, soonest, _SLOW_POLL))
        timeout -= elapsed
        if waker.fileno() in rung:
            waker.silence()
            break
        if rung:  # somebody has put a job: no need to look first
            _, jobs = trader.trade((), queues, limit=limit, roll_call=False)
            if jobs:
                break
        trader.sync_if_due()
    if bell is not None and bell.leave() and not (jobs and rung):
        # Somebody has rung us, and we leave that job to others or have found another: tell them.
        database.doorbells.ring(dict.fromkeys(queues, 1))
    return jobs


def _listen(
    database: Database, trader: Trader, bell: Doorbell | None, queues: Sequence[str], limit: int
) -> tuple[Sequence[Job], float]:
    if bell is not None:
        bell.listen(queues)  # before the look, or a put between the two would ring nobody
    database.check_file()
    found = trader.look(queues)
    if not found.worth_it:
        return (), found.soonest
    _, jobs = trader.trade((), queues, limit=limit)
    return jobs, _AGAIN_SOON
