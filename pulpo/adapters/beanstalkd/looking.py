"""What the server knows about reserved jobs and does not say when it hands them out.

Each question is one flight of `stats-job`, asked seldom: for every job it would cost a third of
the speed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind
from pulpo.adapters.beanstalkd.switchboard import Switchboard
from pulpo.errors import QueueUnavailableError
from pulpo.identity import NORMAL
from pulpo.job import Job

__all__ = ["are_kicked", "count_crashes", "is_foreign", "stats_of", "take_undescribed", "unclean"]


def stats_of(board: Switchboard, numbers: Iterable[int]) -> dict[int, dict[str, str]]:
    """Return the statistics of jobs by number; those that are gone are left out."""
    requests = [(commands.stats_job(n), Awaited(Kind.STATS, n)) for n in numbers]
    if not requests:
        return {}
    return {
        number: commands.parse_stats(reply.data)
        for number, reply in board.ask(requests).items()
        if reply.data is not None
    }


def count_crashes(board: Switchboard, jobs: Sequence[Job]) -> list[int]:
    """Return how many runs of each reserved job ended without a word, before this one."""
    found = stats_of(board, [job.number for job in jobs])
    return [max(unclean(found.get(job.number, {})) - 1, 0) for job in jobs]


def are_kicked(board: Switchboard, jobs: Sequence[Job]) -> list[bool]:
    """Tell of each reserved job whether somebody has kicked it."""
    found = stats_of(board, [job.number for job in jobs])
    return [bool(commands.stated(found.get(job.number, {}), "kicks")) for job in jobs]


def unclean(stats: Mapping[str, str]) -> int:
    """Return how many reservations were not ended by a verb, the present one among them."""
    reserves, releases, buries, kicks = (
        commands.stated(stats, name) or 0 for name in ("reserves", "releases", "buries", "kicks")
    )
    # A restart of the server adds a bury to each buried job, hence the smaller of the two.
    return reserves - releases - min(buries, kicks)


def is_foreign(job: Job) -> bool:
    """Tell whether a job is JSON that was not described yet: it says none of its settings."""
    return job.priority is None and job.body[:1] == b"{"


def take_undescribed(board: Switchboard) -> list[Job]:
    """Describe the JSON jobs that have arrived; take out those of which the server says nothing."""
    with suppress(QueueUnavailableError):
        describe_foreign(board)
    undescribed = [job for job in board.arrived if is_foreign(job)]
    board.arrived = deque(job for job in board.arrived if not is_foreign(job))
    board.has_json = bool(undescribed)
    return undescribed


def describe_foreign(board: Switchboard) -> None:
    """Add queue, priority and ttr to the JSON jobs among those that have arrived.

    They lie there meanwhile: what a line takes with it that is cut now is not delivered. Raises
    `QueueUnavailableError`.
    """
    found = stats_of(board, [job.number for job in board.arrived if is_foreign(job)])
    board.arrived = deque(
        _described(job, found[job.number]) if job.number in found else job for job in board.arrived
    )


def _described(job: Job, stats: Mapping[str, str]) -> Job:
    priority = commands.stated_priority(stats)
    return replace(
        job,
        queue=stats.get("tube", job.queue),
        priority=NORMAL if priority is None else priority,
        ttr=float(commands.stated(stats, "ttr") or 60),
    )
