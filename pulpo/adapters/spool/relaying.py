"""The relay: kept jobs go to their queue, the most urgent first, and then their files go.

A file is removed only after the queue has accepted its job: whoever dies in between leaves the job
in both places, and it runs twice, under one id. One relays at a time, whatever the number of
processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulpo.adapter import QueueAdapter
from pulpo.adapters.spool.store import Spool
from pulpo.clock import Clock
from pulpo.errors import (
    DecodeError,
    JobTooBigError,
    NotAcceptedError,
    QueueDrainingError,
    QueueError,
    QueueFullError,
    QueueUnavailableError,
)
from pulpo.job import Existing, JobId, NewJob

__all__ = ["Relayed", "relay"]

# So much goes out in one flight: an unanswered one is a flight of jobs that may run twice.
_FLIGHT, _FLIGHT_BYTES = 100, 1_000_000


@dataclass(frozen=True, slots=True)
class Relayed:
    """What a relay did.

    `left` says that there may be more; `busy` that somebody else is at it; `error` is why it
    stopped before its time.
    """

    count: int = 0
    refused: int = 0
    left: bool = False
    busy: bool = False
    error: QueueError | None = None


def relay(spool: Spool, adapter: QueueAdapter, clock: Clock, *, seconds: float) -> Relayed:
    """Relay for about so many seconds, at least one flight; the adapter is the queue's own.

    Raises `QueueUnavailableError` where the folder is refused or cannot be read.
    """
    try:
        spool.prepare()
        lock = spool.lock()
        if not lock.acquire(wait=False):
            return Relayed(left=True, busy=True)
        try:
            spool.sweep()
            relayed = _relay(spool, adapter, clock, clock.monotonic() + seconds)
        except BaseException:
            spool.start_over()
            raise
        finally:
            lock.release()
    except OSError as error:
        raise QueueUnavailableError(
            f"the spool cannot be relayed ({error.strerror}): {str(spool.folder)!r}"
        ) from error
    if relayed.error is not None:
        spool.start_over()
    return relayed


def _relay(spool: Spool, adapter: QueueAdapter, clock: Clock, end: float) -> Relayed:
    count = refused = 0
    error: QueueError | None = None
    while error is None:
        names, jobs, unread = _next_flight(spool)
        refused += unread
        if jobs:
            try:
                answers = adapter.put(jobs)
            except QueueUnavailableError as unavailable:
                return Relayed(count, refused, left=True, error=unavailable)
            done, aside, error = _clear(spool, names, answers)
            count, refused = count + done, refused + aside
        elif spool.is_empty():
            return Relayed(count, refused)
        if clock.monotonic() >= end:
            break
    return Relayed(count, refused, left=True, error=error)


def _next_flight(spool: Spool) -> tuple[list[str], list[NewJob], int]:
    spool.refresh()
    names: list[str] = []
    jobs: list[NewJob] = []
    size = unread = 0
    while len(jobs) < _FLIGHT and size < _FLIGHT_BYTES:
        name = spool.next_name()
        if name is None:
            break
        try:
            job = spool.read(name)
        except DecodeError:
            spool.put_aside(name, "unreadable")
            unread += 1
            continue
        if job is not None:
            names.append(name)
            jobs.append(job)
            size += len(job.body)
    return names, jobs, unread


def _clear(
    spool: Spool, names: Sequence[str], answers: Sequence[JobId | Existing | QueueError]
) -> tuple[int, int, QueueError | None]:
    """Remove what was accepted, put aside what never will be; return both counts and the rest."""
    done = aside = 0
    rest: QueueError | None = None
    for name, answer in zip(names, answers, strict=True):
        if not isinstance(answer, QueueError):
            spool.remove(name)
            done += 1
        elif _is_final(answer):
            spool.put_aside(name, "too-big" if isinstance(answer, JobTooBigError) else "refused")
            aside += 1
        else:
            rest = rest or answer
    return done, aside, rest


def _is_final(error: QueueError) -> bool:
    passing = isinstance(error, QueueFullError | QueueDrainingError)
    return isinstance(error, NotAcceptedError) and not passing
