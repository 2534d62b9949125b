"""What a worker is told: which queues, how many at once, how long to wait at the end."""

from __future__ import annotations

from dataclasses import dataclass

from pulpo.adapter import Engine
from pulpo.codec import Codec
from pulpo.registry import Registry

__all__ = ["WorkerParts", "WorkerSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """The limits of one worker process.

    Without `queues` it serves `default` and every queue of its job types. `threads` handlers and
    `async_slots` coroutines run at once. `grace` is how many seconds running jobs have to finish
    when the worker stops. `burst`: stop when nothing is ready. `log_format` is `text` or `json`.
    """

    queues: tuple[str, ...] = ()
    threads: int = 8
    async_slots: int = 100
    burst: bool = False
    grace: float = 25.0
    log_format: str = "text"
    verbose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerParts:
    """What a worker process works with, made anew in each process after its start.

    `shown_url` is the queue's URL without secrets.
    """

    engine: Engine
    registry: Registry
    codec: Codec
    shown_url: str
