"""What a worker is told: which queues, how many at once, how long to wait at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from pulpo.adapter import Engine
from pulpo.codec import Codec
from pulpo.errors import UsageError, WrongTypeError
from pulpo.identity import check_queue
from pulpo.listeners import Listeners
from pulpo.middleware import Middleware
from pulpo.redaction import DEFAULT, Redaction
from pulpo.registry import Registry
from pulpo.worker.attendants import Attendant
from pulpo.worker.ticker import MakeTicker

__all__ = ["ToldQueues", "WorkerParts", "WorkerSettings", "queue_with_slots", "told_queues"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """The limits of one worker process.

    Without `queues` it serves `default` and every queue of its job types; of those in `queue_slots`
    it runs no more than so many jobs at once. `threads` handlers and
    `async_slots` coroutines run at once. `grace` is how many seconds running jobs have to finish
    when the worker stops. `burst`: stop when nothing is ready. `log_format` is `text` or `json`.
    `isolate` is the command, to be followed by a descriptor's number, that starts a process for
    suspects; without it they run like every other job. After about `max_jobs` jobs, never more, or
    with more than `max_memory` bytes in use, a process ends and is replaced. `side`: tell
    beside the queue who works and what was done.
    `watched`: its jobs
    are counted, and told to the supervisor twice a second; `counts_queues`: those that wait too.
    `deployed` is the second since the epoch at which the worker, not the process, was started.
    """

    queues: tuple[str, ...] = ()
    queue_slots: tuple[tuple[str, int], ...] = ()
    threads: int = 8
    async_slots: int = 100
    burst: bool = False
    grace: float = 25.0
    log_format: str = "text"
    verbose: bool = False
    isolate: tuple[str, ...] = ()
    max_jobs: int | None = None
    max_memory: int | None = None
    side: bool = True
    watched: bool = False
    counts_queues: bool = False
    deployed: float | None = None

    def __post_init__(self) -> None:
        for name in ("threads", "async_slots"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise WrongTypeError(f"{name} must be a whole number: {value!r}")
            if value < 1:
                raise UsageError(f"{name} must be 1 or more: {value!r}")
        if self.log_format not in ("text", "json"):
            raise UsageError(f"log_format must be 'text' or 'json': {self.log_format!r}")


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What a worker process works with, made anew in each process after its start.

    `shown_url` is the queue's URL without secrets, `chain` the middleware around each run,
    `attendants` are those who run beside the loop, `ticker` makes who publishes periodic jobs, None
    where there are none. The log does not tell what `redaction` hides.
    """

    engine: Engine
    registry: Registry
    codec: Codec
    shown_url: str
    chain: Sequence[Middleware] = ()
    listeners: Listeners = field(default_factory=Listeners)
    attendants: Sequence[Attendant] = ()
    redaction: Redaction = DEFAULT
    ticker: MakeTicker | None = None


class ToldQueues(TypedDict):
    """The queues of a worker, as `WorkerSettings` takes them."""

    queues: tuple[str, ...]
    queue_slots: tuple[tuple[str, int], ...]


def queue_with_slots(text: object) -> tuple[str, int | None]:
    """Return what `mail` or `mail:2` says: a queue, and how many of its jobs run at once.

    Raises `UsageError` for what is no queue, or no number of slots.
    """
    name, colon, slots = text.partition(":") if isinstance(text, str) else (text, "", "")
    queue = check_queue(name)
    if not colon:
        return queue, None
    if not (slots.isascii() and slots.isdigit() and int(slots) > 0):
        raise UsageError(f"a queue with slots is like 'mail:2': {text!r}")
    return queue, int(slots)


def told_queues(told: Iterable[tuple[str, int | None]]) -> ToldQueues:
    """Return the queues that were named, each once; where one has slots, the last word counts."""
    slots = dict(told)
    named = tuple((queue, number) for queue, number in slots.items() if number is not None)
    return {"queues": tuple(slots), "queue_slots": named}
