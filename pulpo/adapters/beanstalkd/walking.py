"""Finding jobs on beanstalkd, which cannot be listed or searched: by walking through its numbers.

Numbers are given in rising order, so the jobs that exist lie between 1 and the newest number. They
are walked in pipelined peeks until as many jobs were seen as the server counts: to find one from
both ends in turn, since what is new lies at one and what was left behind at the other; for a sample
from all over. Only looks: nothing is reserved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import greenstalk

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.control import Control
from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link, Reply
from pulpo.adapters.beanstalkd.looking import unclean
from pulpo.adapters.beanstalkd.own_tubes import PROBE
from pulpo.clock import Clock
from pulpo.codec import Codec
from pulpo.errors import CodecError, QueueError, QueueUnavailableError
from pulpo.job import JobState, ListedJob, Page, Sighting
from pulpo.spread import spread

__all__ = ["Found", "Walker", "pulpo_id"]

_WINDOW = 250
# A sample is taken from so many numbers for each job: older ones are nearly all gone.
_SPARSEST = 16
# In these states the last reservation was ended by no verb that the counters know.
_HELD = (JobState.RESERVED, JobState.BURIED)
_STATES = frozenset(state.value for state in JobState)
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
        # The newest number, and for which server and count of all its jobs it is that.
        self._newest = 0
        self._drawn_at = ("", -1)
        #: Whether the last walk that came to its end has seen every job.
        self.saw_all = False

    def walk(self, most: int | None = None) -> Iterator[Found]:
        """Yield every job, from the newest and the oldest number in turn.

        Ends when about `most` numbers were looked at, if that is said.
        """
        count, newest = self.extent()
        self.saw_all = False
        windows = _from_both_ends(1, newest)
        some = windows if most is None else islice(windows, -(-most // _WINDOW))
        for page in self._peeked(some, count):
            yield from page
            count -= len(page)
        self.saw_all = count <= 0 or next(windows, None) is None

    def sample(self) -> Iterator[list[ListedJob]]:
        """Yield every job, in pages, the first of which come from all over."""
        count, newest = self.extent()
        for page in self._peeked(_from_all_over(newest, count), count):
            yield self.describe(page)

    def pages(
        self, queue: str | None, state: JobState | None, count: int | None, *, bodies: bool
    ) -> Iterator[Page]:
        """Yield the jobs of a queue and a state, of which the server counts so many; None = all.

        Asks for the state of all jobs, and for the bodies of those alone that are wanted.
        """
        everything, newest = self.extent(state)
        left = everything if count is None else count
        seen = 0
        for numbers in _from_both_ends(1, newest) if left else ():
            stats = self._stats(numbers)
            seen += len(stats)
            wanted = {
                number: found
                for number, found in stats.items()
                if state in (None, JobState(found["state"])) and queue in (None, found["tube"])
            }
            left -= len(wanted)
            shown = self.peek(list(wanted)) if bodies else [Found(n, b"") for n in wanted]
            jobs = [listed(job, wanted[job.number]) for job in shown]
            yield Page([job for job in jobs if job.queue != PROBE], seen, max(left, 0))
            if left <= 0:
                return

    def newest(self, limit: int) -> list[ListedJob]:
        """Return what there is of the last so many numbers, the newest first."""
        _, newest = self.extent()
        numbers = range(newest, max(newest - limit, 0), -1)
        return self.describe(self.peek(numbers))

    def extent(self, state: JobState | None = None) -> tuple[int, int]:
        """Return how many jobs the server has, in a state or all, and the newest number."""
        with self._control.talking() as client:
            stats = {name: str(value) for name, value in client.stats().items()}
            # Who looks again and again writes nothing, as long as nobody puts anything.
            server, total = stats.get("id", ""), int(stats["total-jobs"])
            if (server, total) != self._drawn_at:
                self._newest, drawn = _newest(client, total)
                self._drawn_at = (server, total + drawn)
        states = JobState if state is None else (state,)
        return sum(int(stats[f"current-jobs-{each.value}"]) for each in states), self._newest

    def _peeked(self, windows: Iterable[Sequence[int]], count: int) -> Iterator[list[Found]]:
        seen = 0
        for numbers in windows:
            if seen >= count:
                break
            found = self.peek(numbers)
            seen += len(found)
            yield found

    def peek(self, numbers: Sequence[int]) -> list[Found]:
        """Look at jobs by number; those that are not there are left out."""
        found = []
        for start in range(0, len(numbers), _WINDOW):
            batch = numbers[start : start + _WINDOW]
            requests = [(commands.peek(number), Awaited(Kind.PEEK, number)) for number in batch]
            found += [
                Found(reply.awaited.number, reply.data)
                for reply in self.ask(requests)
                if reply.data is not None
            ]
        return found

    def describe(self, jobs: Sequence[Found]) -> list[ListedJob]:
        """Add queue, state, priority and times to jobs; leaves out our own, and those gone."""
        stats = self._stats([job.number for job in jobs])
        return [
            listed(job, stats[job.number])
            for job in jobs
            if job.number in stats and stats[job.number]["tube"] != PROBE
        ]

    def look(self, jobs: Sequence[Sighting]) -> list[ListedJob | None]:
        """Look once more at jobs that were seen; None for one that is gone."""
        found = {job.number: job for job in self.describe(self.peek([j.number for j in jobs]))}
        again = [found.get(job.number) for job in jobs]
        return [
            job if job is not None and job.id == before.id else None
            for job, before in zip(again, jobs, strict=True)
        ]

    def states(self, numbers: Sequence[int]) -> dict[int, JobState]:
        """Return the states of jobs by number; those that are gone are left out."""
        return {number: JobState(found["state"]) for number, found in self._stats(numbers).items()}

    def buried_in(self, queue: str, numbers: Sequence[int]) -> list[int]:
        """Return which of these numbers are buried jobs of a queue."""
        return [
            number
            for number, found in self._stats(numbers).items()
            if found["tube"] == queue and found["state"] == JobState.BURIED.value
        ]

    def _stats(self, numbers: Sequence[int]) -> dict[int, dict[str, str]]:
        stats = {}
        for start in range(0, len(numbers), _WINDOW):
            batch = numbers[start : start + _WINDOW]
            requests = [(commands.stats_job(n), Awaited(Kind.STATS, n)) for n in batch]
            for reply in self.ask(requests):
                if reply.data is not None:
                    found = commands.parse_stats(reply.data)
                    # A put that was refused on a full disk leaves a job in no state: the server
                    # shows it until it ends, and nobody can have it or delete it.
                    if found["state"] in _STATES:
                        stats[reply.awaited.number] = found
        return stats

    @property
    def link(self) -> Link:
        """The connection, opened anew where it was lost."""
        return self._connected()

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

    def ask(self, requests: Sequence[tuple[bytes, Awaited]]) -> list[Reply]:
        """Send commands in one flight and return their replies, in order.

        Raises `QueueUnavailableError`.
        """
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


def _from_both_ends(low: int, high: int) -> Iterator[Sequence[int]]:
    from_top = True
    while low <= high:
        if from_top:
            yield range(high, max(low, high - _WINDOW + 1) - 1, -1)
            high -= _WINDOW
        else:
            yield range(low, min(high, low + _WINDOW - 1) + 1)
            low += _WINDOW
        from_top = not from_top


def _from_all_over(newest: int, count: int) -> Iterator[Sequence[int]]:
    low = max(1, newest - _SPARSEST * count + 1)
    for place in spread(-(-(newest - low + 1) // _WINDOW)):
        start = low + place * _WINDOW
        yield range(start, min(newest, start + _WINDOW - 1) + 1)
    yield from _from_both_ends(1, low - 1)


def _newest(client: greenstalk.Client[bytes], total: int) -> tuple[int, int]:
    """Return the newest number, by drawing the next one for a job that never runs.

    And how many jobs were put for that.
    """
    client.use(PROBE)
    try:
        number = client.put(b"", commands.LONGEST, 2**31, 1)
        client.delete(number)
    except (greenstalk.DrainingError, greenstalk.OutOfMemoryError):
        # It takes no job now: numbers since its start, and a good deal more from before.
        return total + 100_000, 0
    finally:
        client.use("default")
    return number, 1


def pulpo_id(job: Found) -> str:
    """Return the id that the body says, or the number as text."""
    with suppress(CodecError):
        if job.body:
            return _READER.decode(job.body).id or str(job.number)
    return str(job.number)


def listed(job: Found, stats: dict[str, str]) -> ListedJob:
    """Return a job with what the server says of it."""
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
        crashes=max(unclean(stats) - (state in _HELD), 0) if job.body else None,
        age=float(stats["age"]),
    )
