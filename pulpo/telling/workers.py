"""Who works: one fact for each worker process, which ends by itself once its process is silent.

Knows how such a fact is written and read, not how a worker finds out what it tells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pulpo.side import Fact, Removal, SideStore, Write

__all__ = [
    "LASTS",
    "MOST_RUNNING",
    "MOST_TYPES",
    "RunningJob",
    "SeenWorker",
    "forget_worker",
    "read_workers",
    "running_job",
    "tell_worker",
]

_SPACE = "workers"
#: So many seconds after its last word a worker process is taken for gone.
LASTS = 10.0
# A worker may have 100,000 slots and any number of types; a fact has to stay small.
MOST_RUNNING, MOST_TYPES = 200, 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob:
    """What one slot of a worker process runs.

    `slot` is `thread-1` and so on, or `async`. `seconds` is how long it has run, `timeout` how long
    it may. `alone`: it is a suspect, and runs in a process of its own.
    """

    slot: str
    id: str
    type: str
    queue: str
    attempt: int
    seconds: float
    timeout: float
    alone: bool = False

    @property
    def is_stuck(self) -> bool:
        """Whether it is over its time and has not ended."""
        return self.seconds > self.timeout


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenWorker:
    """One worker process.

    `id` is its own, another one for each start of a process. `worker` is the process id of its
    supervisor, the same for all processes of one `pulpo worker`; its own where it is embedded in a
    program. `started` is in seconds since the epoch. `types_left_out` is how many of its types
    found no room here, `running` has at most 200 jobs, `busy` counts them all. `age` is how many
    seconds ago it told this.
    """

    id: str
    host: str
    pid: int
    worker: int
    started: float
    queues: tuple[str, ...]
    types: tuple[str, ...]
    threads: int
    async_slots: int
    busy: int
    running: tuple[RunningJob, ...]
    is_stopping: bool = False
    types_left_out: int = 0
    age: float = 0.0

    @property
    def has_no_thread_free(self) -> bool:
        """Whether every thread runs a job, whatever room there is for coroutines."""
        return sum(job.slot.startswith("thread") for job in self.running) >= self.threads

    def serves(self, queue: str) -> bool:
        """Tell whether it takes jobs from a queue."""
        return queue in self.queues

    def knows(self, type: str) -> bool:
        """Tell whether it has code for a job type; True where its fact has no room to say so."""
        return type in self.types or self.types_left_out > 0


def tell_worker(store: SideStore, worker: SeenWorker) -> None:
    """Say what a worker process does now; raises `QueueError`."""
    told = asdict(worker)
    del told["id"], told["age"]
    value = json.dumps(told, separators=(",", ":")).encode()
    store.write([Write(space=_SPACE, key=worker.id, value=value, lasts=LASTS)])


def forget_worker(store: SideStore, id: str) -> None:
    """Say that a worker process has ended; raises `QueueError`."""
    store.remove([Removal(space=_SPACE, key=id)])


def read_workers(store: SideStore) -> tuple[SeenWorker, ...]:
    """Return the worker processes that have spoken lately, by host, worker and process.

    Raises `QueueError`. Facts that are of no known shape are left out: a newer pulpo's, say.
    """
    found = [seen for fact in store.scan(_SPACE) if (seen := _seen(fact)) is not None]
    return tuple(sorted(found, key=lambda seen: (seen.host, seen.worker, seen.pid)))


def _seen(fact: Fact) -> SeenWorker | None:
    age = max(LASTS - (fact.left or 0.0), 0.0)
    try:
        told = json.loads(fact.value)
        running = tuple(running_job(job, age) for job in told["running"])
        seen = SeenWorker(
            id=fact.key,
            host=str(told["host"]),
            pid=int(told["pid"]),
            worker=int(told["worker"]),
            started=float(told["started"]),
            queues=tuple(map(str, told["queues"])),
            types=tuple(map(str, told["types"])),
            threads=int(told["threads"]),
            async_slots=int(told["async_slots"]),
            busy=int(told["busy"]),
            running=running,
        )
        return replace(
            seen,
            is_stopping=bool(told.get("is_stopping")),
            types_left_out=int(told.get("types_left_out", 0)),
            age=age,
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def running_job(told: Mapping[str, Any], age: float = 0.0) -> RunningJob:
    """Return a job as it was told `age` seconds ago; any error for what is of no such shape."""
    return RunningJob(
        slot=str(told["slot"]),
        id=str(told["id"]),
        type=str(told["type"]),
        queue=str(told["queue"]),
        attempt=int(told["attempt"]),
        # It has gone on running since.
        seconds=float(told["seconds"]) + age,
        timeout=float(told["timeout"]),
        alone=bool(told.get("alone")),
    )
