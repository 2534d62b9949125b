"""Finding jobs on beanstalkd, which cannot be listed or searched: by walking through its numbers.

Numbers are given in rising order, so the jobs that exist lie between 1 and the newest number. Both
ends are walked in turn, in pipelined peeks, until as many jobs were seen as the server counts:
what is new lies at one end, what was left behind at the other. Only looks: nothing is reserved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import greenstalk

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.control import Control
from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link, Reply
from pulpo.adapters.beanstalkd.looking import unclean
from pulpo.clock import Clock
from pulpo.codec import Codec
from pulpo.errors import CodecError, QueueError, QueueUnavailableError
from pulpo.job import JobState, ListedJob

__all__ = ["PROBE", "Found", "Walker", "pulpo_id"]

# A queue of our own, for drawing numbers; nobody reserves from it.
PROBE = "pulpo.probe"
_WINDOW = 250
# In these states the last reservation was ended by no verb that the counters know.
_HELD = (JobState.RESERVED, JobState.BURIED)
_REPLY_TIMEOUT = 10.0
# Reads ids whatever the signature: looking is not running.
_READER = Codec()


@dataclass(frozen=True, slots=True)
class Found:
    """A job's number and body, as a peek shows them."""

    number: int
    body: bytes


class Walker:
    """Looks at jobs on a connection of its own; one thread."""

    def __init__(self, open_link: Callable[[], Link], control: Control, clock: Clock) -> None:
        self._open_link = open_link
        self._control = control
        self._clock = clock
        self._link: Link | None = None
        self._closed = False
        #: Whether the last walk that came to its end has seen every job.
        self.saw_all = False

    def walk(self, most: int | None = None) -> Iterator[Found]:
        """Yield every job, from the newest and the oldest number in turn.

        Ends when about `most` numbers were looked at, if that is said.
        """
        self.saw_all = False
        newest, count = self.bounds()
        low, high, seen, from_top = 1, newest, 0, True
        while low <= high and seen < count:
            if most is not None and low - 1 + newest - high >= most:
                return
            if from_top:
                numbers = range(high, max(low, high - _WINDOW + 1) - 1, -1)
                high = numbers[-1] - 1
            else:
                numbers = range(low, min(high, low + _WINDOW - 1) + 1)
                low = numbers[-1] + 1
            from_top = not from_top
            for found in self.peek(numbers):
                seen += 1
                yield found
        self.saw_all = True

    def bounds(self) -> tuple[int, int]:
        """Return the newest number, and how many jobs there are."""
        with self._control.talking() as client:
            stats = dict(client.stats())
            newest = _newest(client, int(str(stats["total-jobs"])))
        return newest, sum(int(str(stats[f"current-jobs-{state.value}"])) for state in JobState)

    def peek(self, numbers: Sequence[int]) -> list[Found]:
        """Look at jobs by number; those that are not there are left out."""
        requests = [(commands.peek(number), Awaited(Kind.PEEK, number)) for number in numbers]
        return [
            Found(reply.awaited.number, reply.data)
            for reply in self._ask(requests)
            if reply.data is not None
        ]

    def describe(self, jobs: Sequence[Found]) -> list[ListedJob]:
        """Add queue, state, priority and times to jobs; those that are gone are left out."""
        listed = []
        for start in range(0, len(jobs), _WINDOW):
            batch = {job.number: job for job in jobs[start : start + _WINDOW]}
            requests = [(commands.stats_job(n), Awaited(Kind.STATS, n)) for n in batch]
            for reply in self._ask(requests):
                if reply.data is not None:
                    job = batch[reply.awaited.number]
                    listed.append(_listed(job, commands.parse_stats(reply.data)))
        return listed

    def max_body(self) -> int:
        """Return the size of the largest job that the server takes."""
        return self._connected().max_body

    def close(self) -> None:
        """Close the connection for good; twice is once."""
        self._closed = True
        if self._link is not None:
            self._link.close()
            self._link = None

    def _connected(self) -> Link:
        if self._closed:
            raise QueueUnavailableError("this door to beanstalkd is closed")
        if self._link is None or self._link.broken or self._link.is_stale():
            if self._link is not None:
                self._link.close()
            self._link = self._open_link()
        return self._link

    def _ask(self, requests: Sequence[tuple[bytes, Awaited]]) -> list[Reply]:
        if not requests:
            return []
        link = self._connected()
        link.send([command for command, _ in requests], [awaited for _, awaited in requests])
        deadline = self._clock.monotonic() + _REPLY_TIMEOUT
        replies: list[Reply] = []
        while link.awaited:
            left = deadline - self._clock.monotonic()
            try:
                replies += link.receive(left)
            except QueueError as error:
                raise QueueUnavailableError(f"lost beanstalkd while looking: {error}") from error
            if link.awaited and left <= 0:
                link.close()
                raise QueueUnavailableError(f"beanstalkd was silent for {_REPLY_TIMEOUT:g}s")
        return replies


def _newest(client: greenstalk.Client[bytes], total: int) -> int:
    """Return the newest number, by drawing the next one for a job that never runs."""
    try:
        client.use(PROBE)
        number = client.put(b"", commands.LONGEST, 2**31, 1)
        client.delete(number)
        client.use("default")
    except (greenstalk.DrainingError, greenstalk.OutOfMemoryError):
        # It takes no job now: numbers since its start, and a good deal more from before.
        return total + 100_000
    return number - 1


def pulpo_id(job: Found) -> str:
    """Return the id that the body says, or the number as text."""
    with suppress(CodecError):
        return _READER.decode(job.body).id or str(job.number)
    return str(job.number)


def _listed(job: Found, stats: dict[str, str]) -> ListedJob:
    state = JobState(stats["state"])
    return ListedJob(
        id=pulpo_id(job),
        number=job.number,
        queue=stats["tube"],
        state=state,
        body=job.body,
        priority=int(stats["pri"]),
        due=float(stats["time-left"]) if state is JobState.DELAYED else 0.0,
        ttr=float(stats["ttr"]),
        crashes=max(unclean(stats) - (state in _HELD), 0),
    )
