"""What the server knows about reserved jobs and does not say when it hands them out.

Each question is one flight of `stats-job`, asked seldom: for every job it would cost a third of
the speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind
from pulpo.adapters.beanstalkd.switchboard import Switchboard
from pulpo.job import Job

__all__ = ["count_crashes", "describe_foreign", "stats_of", "unclean"]


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


def unclean(stats: Mapping[str, str]) -> int:
    """Return how many reservations were not ended by a verb, the present one among them."""
    reserves, releases, buries, kicks = (
        int(stats.get(name, 0)) for name in ("reserves", "releases", "buries", "kicks")
    )
    # A restart of the server adds a bury to each buried job, hence the smaller of the two.
    return reserves - releases - min(buries, kicks)


def describe_foreign(board: Switchboard, jobs: list[Job]) -> list[Job]:
    """Add queue, priority and ttr to JSON jobs, whose bodies say none of them."""
    foreign = [job.number for job in jobs if job.body[:1] == b"{"]
    if not foreign:
        return jobs
    found = stats_of(board, foreign)
    return [
        replace(
            job,
            queue=found[job.number].get("tube", job.queue),
            priority=int(found[job.number].get("pri", 65_536)),
            ttr=float(found[job.number].get("ttr", 60)),
        )
        if job.number in found
        else job
        for job in jobs
    ]
