"""Trying a beanstalkd out: a job is put and deleted, eight leases are left to run out.

In queues of its own that nobody else reserves from, so nothing that works is disturbed; every job
is deleted again, also where a probe is broken off.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.asking import Asking, count
from pulpo.adapters.beanstalkd.link import Kind
from pulpo.adapters.beanstalkd.own_tubes import DOCTOR
from pulpo.clock import Clock
from pulpo.errors import QueueError

__all__ = [
    "CONNECTIONS",
    "NoRoomError",
    "TimerProbe",
    "WriteProbe",
    "probe_timers",
    "probe_write",
    "sweep",
]

CONNECTIONS = 8
_LEASE = 1
_SILENCE = 2.5
_TRIES, _PAUSE = 20, 0.05
_LONG = 60
# How old a probe's job is that nobody will delete any more, in seconds.
_LEFT_BEHIND = 60


class NoRoomError(QueueError):
    """The server took some of our jobs, and then no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteProbe:
    """What a put was answered, and how many records the binlog has grown by meanwhile."""

    answer: str
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerProbe:
    """How many of the leases that ran out ended nothing, and how old the server says a job is.

    `age` is in seconds by the server's clock, `elapsed` in seconds by ours, of the same job.
    """

    leases: int
    lost: int
    age: int
    elapsed: float


def probe_write(asking: Asking) -> WriteProbe:
    """Put a job and delete it."""
    with _queue(asking) as made:
        before = asking.stats()
        line = _put(asking, made, ttr=_LONG)
        after = asking.stats()
        return WriteProbe(answer=line.decode("ascii", "replace"), records=_records(before, after))


def probe_timers(asking: Asking, dial: Callable[[], Asking], clock: Clock) -> TimerProbe:
    """Let leases on silent connections run out, and look how many did; takes 2.5 s.

    `dial` opens one more connection. Raises `NoRoomError`, `QueueUnavailableError`.
    """
    # Its jobs are deleted after the connections that hold them are closed.
    with _queue(asking) as made, ExitStack() as silent:
        name = made.name
        begun = clock.monotonic()
        for _ in range(CONNECTIONS):
            # The same server for all eight, or their replies say nothing.
            other = silent.enter_context(dial())
            _reserve_own(other, name, made)
        asking.listen(_SILENCE)
        replies = asking.ask_all([commands.stats_job(number) for number in made.numbers])
        elapsed = clock.monotonic() - begun
        found = [commands.parse_stats(reply.data) for reply in replies if reply.data is not None]
        # Still held although its time is over: below zero.
        held = [job for job in found if job.get("time-left", "").startswith("-")]
        lost = [job for job in held if job.get("state") == "reserved"]
        ages = [count(job, "age") for job in found]
        return TimerProbe(
            leases=len(found),
            lost=len(lost),
            age=max(ages, default=round(elapsed)),
            elapsed=elapsed,
        )


def sweep(asking: Asking, queues: Iterable[str]) -> None:
    """Delete what probes that were killed have left in their queues."""
    for name in queues:
        if not name.startswith(DOCTOR):
            continue
        asking.ask(commands.use(name))
        for _ in range(2 * CONNECTIONS):
            line = asking.ask(b"peek-ready\r\n", Kind.PEEK).line
            number = int(line.split()[1]) if line.startswith(b"FOUND ") else 0
            stats = commands.parse_stats(asking.ask(commands.stats_job(number)).data or b"")
            if count(stats, "age") < _LEFT_BEHIND:  # none, or of a probe that is under way
                break
            if stats.get("state") != "ready":  # its put was answered BURIED: not to be touched
                break
            asking.ask(commands.delete(number))
    asking.ask(commands.use("default"))


@dataclass(slots=True)
class _Made:
    """A queue of ours and the jobs in it."""

    name: str
    numbers: list[int]


@contextmanager
def _queue(asking: Asking) -> Iterator[_Made]:
    made = _Made(DOCTOR + secrets.token_hex(8), [])
    asking.ask(commands.use(made.name))
    try:
        yield made
    finally:
        with suppress(QueueError):
            _clear(asking, made.numbers)
    asking.ask(commands.use("default"))


def _clear(asking: Asking, numbers: list[int]) -> None:
    # The server may not have seen yet that the connection which held a job is closed.
    for _ in range(_TRIES):
        replies = asking.ask_all([commands.delete(number) for number in numbers])
        numbers = [
            number
            for number, reply in zip(numbers, replies, strict=True)
            if reply.line != b"DELETED"
        ]
        if not numbers:
            return
        asking.listen(_PAUSE)


def _put(asking: Asking, made: _Made, *, ttr: int) -> bytes:
    line = asking.ask(b"put %d 0 %d 0\r\n\r\n" % (commands.LONGEST, ttr)).line
    word, _, number = line.partition(b" ")
    # One that was answered BURIED stays: to delete it would end the server; see `refusal`.
    if word == b"INSERTED" and number.isdigit():
        made.numbers.append(int(number))
    return line


def _reserve_own(asking: Asking, name: str, made: _Made) -> None:
    for command in (commands.use(name), *commands.watch_only([name], ["default"])):
        asking.ask(command)
    line = _put(asking, made, ttr=_LEASE)
    if not line.startswith(b"INSERTED"):
        raise NoRoomError(f"a put was answered {line[:64]!r}")
    asking.ask(commands.reserve(0))


def _records(before: dict[str, str], after: dict[str, str]) -> int:
    name = "binlog-records-written"
    return count(after, name) - count(before, name)
