"""A worker on a queue in memory, moved tick by tick; and waiting for what other threads do."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from pulpo import Pulpo
from pulpo.adapter import QueueAdapter
from pulpo.clock import ManualClock
from pulpo.codec import Codec
from pulpo.envelope import Envelope
from pulpo.job import Job, JobState, ListedJob, NewJob, Settlement
from pulpo.registry import JobType
from pulpo.run import Run
from pulpo.worker.gatekeeper import Rule
from pulpo.worker.journal import Journal
from pulpo.worker.loop import Worker
from pulpo.worker.settings import WorkerSettings

PATIENCE = 10.0


class OddError(Exception):
    """An error whose own text raises."""

    def __str__(self) -> str:
        raise RuntimeError("no text for you")


def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait until something is true that another thread or process brings about."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"never came true: {what or condition}"
        time.sleep(0.002)


def run_of(call: Callable[[], object] = lambda: None, *, number: int = 1, **headers: Any) -> Run:
    """Return an opened run that calls a function; `timeout`, `is_async` and headers as given."""
    job_type = JobType(
        type="t",
        bind=lambda run: call,
        timeout=headers.pop("timeout", 600.0),
        is_async=headers.pop("is_async", False),
    )
    job = Job(number=number, body=b"", queue="default", priority=65_536, ttr=60.0)
    run = Run(job, Envelope({"type": "t", "id": f"id-{number}", **headers}, None), job_type)
    run.call = call
    return run


class Adapter:
    """The memory queue's own adapter, whose answers a test may spoil; `calls` keeps count."""

    def __init__(self, real: QueueAdapter) -> None:
        self.real = real
        self.refuse: Exception | None = None
        self.answer: Callable[[Settlement], Any] | None = None
        self.touched: list[list[int]] = []
        self.touch_answer: Any = None
        self.offered: list[list[Settlement]] = []
        self.asked: list[tuple[tuple[str, ...], int]] = []

    @property
    def capabilities(self) -> Any:
        if self.refuse:
            raise self.refuse
        return self.real.capabilities

    def exchange(
        self, settlements: Sequence[Settlement], queues: Sequence[str], **limits: Any
    ) -> Any:
        if self.refuse:
            raise self.refuse
        self.offered.append(list(settlements))
        self.asked.append((tuple(queues), limits["limit"]))
        if self.answer is None:
            return self.real.exchange(settlements, queues, **limits)
        answers = [self.answer(settlement) for settlement in settlements]
        going = [s for s, answer in zip(settlements, answers, strict=True) if answer is None]
        done, jobs = self.real.exchange(going, queues, **limits)
        rest = iter(done)
        return [next(rest) if answer is None else answer for answer in answers], jobs

    def touch(self, jobs: Sequence[Job]) -> Any:
        self.touched.append([job.number for job in jobs])
        if self.touch_answer is not None:
            return [self.touch_answer for _ in jobs]
        return self.real.touch(jobs)

    def put(self, jobs: Sequence[NewJob]) -> Any:
        return self.real.put(jobs)

    def crashes(self, jobs: Sequence[Job]) -> Any:
        return self.real.crashes(jobs)

    def leave(self, jobs: Sequence[Job]) -> None:
        self.real.leave(jobs)

    def wake(self) -> None:
        self.real.wake()

    def close(self) -> None:
        self.real.close()


class Stage:
    """An app on a queue in memory, its worker, and a clock that only the test moves."""

    def __init__(self, *, burst: bool = True, url: str = "memory://", **limits: Any) -> None:
        self.clock = ManualClock()
        self.app = Pulpo(url, clock=self.clock)
        self.admin = self.app.engine.admin()
        # Without a wait where there is nothing to do: nobody but the test publishes.
        self.settings = WorkerSettings(**{"burst": burst, "threads": 4, **limits})
        self._worker: Worker | None = None
        self.rules: list[Rule] | None = None
        self.adapter = Adapter(self.app.engine.adapter())
        self.stream = io.StringIO()

    @property
    def worker(self) -> Worker:
        """The worker, made once the handlers are registered."""
        if self._worker is None:
            self._worker = self.new_worker()
        return self._worker

    def new_worker(self) -> Worker:
        app = self.app
        journal = Journal(self.clock, format="json", stream=self.stream)
        return Worker(
            self.adapter,
            app.parts(),
            self.settings,
            clock=self.clock,
            journal=journal,
            rules=self.rules,
        )

    def tick_until(self, condition: Callable[[], object], what: str = "") -> None:
        def ticked() -> object:
            self.worker.tick()
            return condition()

        until(ticked, what)

    def drain(self) -> None:
        """Tick until nothing is ready, running or to be settled."""
        self.tick_until(self.worker.is_over, "the queue is empty")

    def put(self, body: bytes, *, queue: str = "default", id: str = "odd") -> str:
        """Put any bytes at all."""
        self.adapter.put([NewJob(id=id, type="odd", queue=queue, body=body)])
        return id

    def jobs(self, state: JobState | None = None) -> list[ListedJob]:
        return list(self.admin.list(state=state))

    def headers(self, id: str) -> dict[str, Any]:
        """The headers of a job as an operator sees them."""
        (found,) = self.admin.peek([id])
        assert found is not None, f"{id} is gone"
        return dict(Codec().decode(found.body).headers)

    def state(self, id: str) -> str:
        (found,) = self.admin.peek([id])
        return "gone" if found is None else found.state.value

    @property
    def said(self) -> list[dict[str, Any]]:
        """What the worker has told, line by line."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def endings(self) -> list[str]:
        return [line["event"] for line in self.said if "duration" in line]

    def close(self) -> None:
        if self._worker is not None:
            self._worker._threads.stop()
            self._worker._coroutines.stop()
            if self._worker._gate is not None:
                self._worker._gate.stop()
        self.adapter.close()
        self.app.close()
