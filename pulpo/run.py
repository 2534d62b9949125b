"""One run of one job, while it lasts; what `current_job()` shows to the handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from pulpo.envelope import Envelope
from pulpo.errors import UsageError
from pulpo.job import Job
from pulpo.message import Message
from pulpo.registry import JobType

__all__ = ["CURRENT", "Run", "current_job"]

CURRENT: ContextVar[Run] = ContextVar("pulpo_current_job")


class Run:
    """A reserved job, what its headers say, and the code that runs it.

    Made by the worker's loop thread; a handler's thread reads it. `started` is monotonic seconds,
    `started_at` wall seconds, both 0.0 until the handler is called.
    """

    __slots__ = (
        "attempt",
        "call",
        "cut",
        "envelope",
        "gone",
        "id",
        "isolated",
        "job",
        "job_type",
        "lost",
        "over_time",
        "queue",
        "renewed",
        "shield",
        "started",
        "started_at",
        "taken",
        "type",
    )

    def __init__(self, job: Job, envelope: Envelope, job_type: JobType) -> None:
        headers: Mapping[str, Any] = envelope.headers  # checked when they were decoded
        self.job = job
        self.envelope = envelope
        self.job_type = job_type
        #: The job type, as published.
        self.type: str = headers["type"]
        #: pulpo's id, the same over all runs: the key for handlers that must not act twice.
        self.id: str = headers.get("id") or job.id or str(job.number)
        #: The queue that the job was reserved from.
        self.queue: str = job.queue or envelope.queue
        #: Counts from 1: 1 + the failures so far.
        self.attempt: int = 1 + headers.get("failures", 0)
        #: True while the lease is lost, or not confirmed: somebody else may run this job now.
        self.lost = False
        #: True once the queue has said that the lease is lost.
        self.gone = False
        #: True once pulpo has cancelled it for reasons of its own: no failure of the job.
        self.cut = False
        self.started = 0.0
        self.started_at = 0.0
        self.call: Callable[[], object] | None = None
        #: True where it runs alone in another process, which keeps its time limit itself.
        self.isolated = False
        #: True once the run was told that its `timeout` is over.
        self.over_time = False
        #: Monotonic seconds at which it was handed to a pool.
        self.taken = 0.0
        #: Monotonic seconds at which its lease began or was last renewed.
        self.renewed = 0.0
        #: Held while pulpo itself works in the handler's thread: no time limit is raised then.
        self.shield: Lock | None = None

    @property
    def is_coroutine(self) -> bool:
        """Whether it runs on the event loop; a suspect has a thread that waits for it."""
        return self.job_type.is_async and not self.isolated

    @property
    def priority(self) -> int:
        """The priority, as the queue knows it or else as published."""
        job = self.job
        return self.envelope.priority if job.priority is None else job.priority

    @property
    def headers(self) -> Mapping[str, object]:
        """The producer's headers."""
        return self.envelope.user_headers()

    @property
    def schedule(self) -> str | None:
        """The schedule that published the job; None for one that somebody else did."""
        return self.envelope.schedule

    @property
    def tick(self) -> datetime | None:
        """The moment, in UTC, for which its schedule published it: however late it runs."""
        tick = self.envelope.tick
        return None if tick is None else datetime.fromtimestamp(tick, UTC)

    @property
    def deadline(self) -> datetime:
        """When this run's `timeout` is over, in UTC."""
        return datetime.fromtimestamp(self.started_at + self.job_type.timeout, UTC)

    def message(self) -> Message:
        """Return what was published, as a handler sees it."""
        return self.envelope.message(id=self.id, queue=self.queue, priority=self.priority)


def current_job() -> Run:
    """Return the run that called: for handlers, and what they call in their thread or task.

    Raises `UsageError` where no job is being run.
    """
    run = CURRENT.get(None)
    if run is None:
        raise UsageError("current_job() is only known inside a handler that a worker runs")
    return run
