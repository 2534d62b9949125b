"""Finding jobs on beanstalkd, which cannot be listed or searched: by walking through its numbers.

Numbers are given in rising order, so the jobs that exist lie between 1 and the newest number. Both
ends are walked in turn, in pipelined peeks, until as many jobs were seen as the server counts:
what is new lies at one end, what was left behind at the other. Only looks: nothing is reserved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link, Reply
from pulpo.clock import Clock
from pulpo.codec import Codec
from pulpo.errors import CodecError, QueueError, QueueUnavailableError
from pulpo.job import JobState, ListedJob

__all__ = ["Found", "describe", "pulpo_id", "walk"]

_WINDOW = 250
_REPLY_TIMEOUT = 10.0
# Reads ids whatever the signature: looking is not running.
_READER = Codec()


@dataclass(frozen=True, slots=True)
class Found:
    """A job's number and body, as a peek shows them."""

    number: int
    body: bytes


def walk(link: Link, clock: Clock, *, newest: int, count: int) -> Iterator[Found]:
    """Yield every job, from the newest and the oldest number in turn, until `count` were seen."""
    low, high, seen = 1, newest, 0
    from_top = True
    while low <= high and seen < count:
        if from_top:
            start, stop = max(low, high - _WINDOW + 1), high
            high = start - 1
        else:
            start, stop = low, min(high, low + _WINDOW - 1)
            low = stop + 1
        numbers = range(stop, start - 1, -1) if from_top else range(start, stop + 1)
        from_top = not from_top
        for found in peek(link, clock, numbers):
            seen += 1
            yield found


def peek(link: Link, clock: Clock, numbers: Sequence[int]) -> list[Found]:
    """Look at jobs by number; those that are not there are left out."""
    requests = [(commands.peek(number), Awaited(Kind.PEEK, number)) for number in numbers]
    return [
        Found(reply.awaited.number, reply.data)
        for reply in _ask(link, clock, requests)
        if reply.data is not None
    ]


def describe(link: Link, clock: Clock, jobs: Sequence[Found]) -> list[ListedJob]:
    """Add queue, state, priority and times to jobs; those that are gone by now are left out."""
    listed = []
    for start in range(0, len(jobs), _WINDOW):
        batch = {job.number: job for job in jobs[start : start + _WINDOW]}
        requests = [(commands.stats_job(n), Awaited(Kind.STATS, n)) for n in batch]
        for reply in _ask(link, clock, requests):
            if reply.data is not None:
                job = batch[reply.awaited.number]
                listed.append(_listed(job, commands.parse_stats(reply.data)))
    return listed


def pulpo_id(job: Found) -> str:
    """Return the id that the body says, or the number as text."""
    with suppress(CodecError):
        return _READER.decode(job.body).id or str(job.number)
    return str(job.number)


def _listed(job: Found, stats: dict[str, str]) -> ListedJob:
    state = JobState(stats["state"])
    counts = [int(stats.get(name, 0)) for name in ("reserves", "releases", "buries", "kicks")]
    unclean = counts[0] - counts[1] - min(counts[2], counts[3])
    return ListedJob(
        id=pulpo_id(job),
        number=job.number,
        queue=stats["tube"],
        state=state,
        body=job.body,
        priority=int(stats["pri"]),
        due=float(stats["time-left"]) if state is JobState.DELAYED else 0.0,
        ttr=float(stats["ttr"]),
        crashes=max(unclean - (state is JobState.RESERVED) - (counts[2] > counts[3]), 0),
    )


def _ask(link: Link, clock: Clock, requests: Sequence[tuple[bytes, Awaited]]) -> list[Reply]:
    if not requests:
        return []
    link.send([command for command, _ in requests], [awaited for _, awaited in requests])
    deadline = clock.monotonic() + _REPLY_TIMEOUT
    replies: list[Reply] = []
    while link.awaited:
        left = deadline - clock.monotonic()
        try:
            replies += link.receive(left)
        except QueueError as error:
            raise QueueUnavailableError(
                f"lost beanstalkd while looking at jobs: {error}"
            ) from error
        if link.awaited and left <= 0:
            link.close()
            raise QueueUnavailableError(f"beanstalkd did not answer within {_REPLY_TIMEOUT:g}s")
    return replies
