"""One test's stage: an engine, a clock, two queues of its own, and short words for what is done.

Knows no engine by name. Queue names are drawn anew for each test, so a shared server will do.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from pulpo.adapter import Engine, QueueAdapter, QueueAdmin
from pulpo.clock import Clock
from pulpo.codec import Codec
from pulpo.errors import QueueError
from pulpo.identity import new_id
from pulpo.job import Job, JobId, JobState, ListedJob, NewJob, QueueStats, Settlement, Verb

__all__ = ["Stage"]

# Long enough for a slow machine, and only waited for in full where a test fails.
PATIENCE = 10.0


class Stage:
    """What a test of the contract works with.

    `owner` is the adapter that puts, reserves and settles where a test names no other; `open`
    gives more of them. `admin` is the operator. `tick` is a short delay that the engine can keep
    exactly, `lease` the ttr of the jobs whose lease a test lets run out; both in seconds.
    `advance`, `crash` and `expire_lease` are what `AdapterContract` says of them.
    """

    lease = 1.0

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        *,
        advance: Callable[[float], None],
        crash: Callable[[QueueAdapter], None],
        expire_lease: Callable[[QueueAdapter, Job], None],
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.advance = advance
        self.crash = crash
        self.expire_lease = expire_lease
        self.queue = f"contract-{secrets.token_hex(6)}"
        self.other = f"{self.queue}-other"
        self._doors = contextlib.ExitStack()
        self._codec = Codec()

    @cached_property
    def owner(self) -> QueueAdapter:
        """The first adapter."""
        return self.open()

    @cached_property
    def admin(self) -> QueueAdmin:
        """The operator's door."""
        admin = self.engine.admin()
        self._doors.callback(admin.close)
        return admin

    def open(self) -> QueueAdapter:
        """Open one more adapter; the stage closes it at the end."""
        adapter = self.engine.adapter()
        self._doors.callback(adapter.close)
        return adapter

    def close(self) -> None:
        """Close every door that was opened."""
        self._doors.close()

    @cached_property
    def tick(self) -> float:
        """A delay of one grain, or a quarter of a second where delays have none."""
        return max(self.owner.capabilities.delay_unit, 0.25)

    # What is put

    def job(self, text: str = "a job", **options: Any) -> NewJob:  # any field of NewJob
        """Return a job whose body says `text`, and in its headers what pulpo writes there."""
        fields = {"id": new_id(), "type": "contract", "queue": self.queue, "body": b""} | options
        job = NewJob(**fields)
        return job if "body" in options else self._with_body(job, text)

    def jobs(self, *texts: str, **options: Any) -> list[NewJob]:
        """Return a job for each text."""
        return [self.job(text, **options) for text in texts]

    def rewrite(self, job: NewJob, text: str, **changes: Any) -> NewJob:
        """Return the same job, ready unless a delay is given, and a body that says `text`."""
        return self._with_body(replace(job, **{"delay": 0.0, "at": None} | changes), text)

    def _with_body(self, job: NewJob, text: str) -> NewJob:
        headers = {
            "type": job.type,
            "id": job.id,
            "queue": job.queue,
            "priority": job.priority,
            "ttr": job.ttr,
            "expires": job.expires,
            "guards": [[guard.key, guard.until] for guard in job.guards] or None,
        }
        present = {name: value for name, value in headers.items() if value is not None}
        return replace(job, body=self._codec.encode(present, text))

    def put(self, *jobs: NewJob) -> Sequence[JobId]:
        """Put jobs that must be accepted; return their ids."""
        answers = self.owner.put(jobs)
        assert list(answers) == [job.id for job in jobs]
        return [job.id for job in jobs]

    # What is reserved and settled

    def reserve(
        self,
        limit: int = 1,
        *,
        by: QueueAdapter | None = None,
        queues: Sequence[str] | None = None,
        timeout: float = 0.0,
    ) -> list[Job]:
        """Reserve so many jobs, or all that are ready; wait for the first one, up to `timeout`."""
        adapter = by or self.owner
        jobs: list[Job] = []
        while len(jobs) < limit:
            _, more = adapter.exchange(
                [], queues or [self.queue], limit=limit - len(jobs), timeout=timeout
            )
            if not more:
                break
            jobs += more
            timeout = 0.0
        return jobs

    def take(self, *, by: QueueAdapter | None = None, queue: str | None = None) -> Job:
        """Reserve the one job that must be ready, or about to be."""
        jobs = self.reserve(by=by, queues=[queue or self.queue], timeout=PATIENCE)
        assert len(jobs) == 1, "no job was ready"
        return jobs[0]

    def running(self, text: str = "a job", **options: Any) -> tuple[NewJob, Job]:
        """Put a job and reserve it; return what was put and what was reserved."""
        new = self.job(text, **options)
        self.put(new)
        return new, self.take(queue=new.queue)

    def buried(self, text: str = "a job", **options: Any) -> NewJob:
        """Put a job, reserve it and bury it as it is."""
        new, job = self.running(text, **options)
        assert self.settle(Settlement(Verb.BURY, job, rewritten=new)) == [True]
        return new

    def settle(
        self, *settlements: Settlement, by: QueueAdapter | None = None
    ) -> list[bool | QueueError]:
        """Settle without reserving anything."""
        answers, jobs = (by or self.owner).exchange(settlements, [], limit=0, timeout=0.0)
        assert list(jobs) == []
        return list(answers)

    def drain(self, *queues: str, by: QueueAdapter | None = None) -> list[str]:
        """Reserve and delete everything that is ready; return the texts in their order."""
        adapter = by or self.owner
        texts: list[str] = []
        done: list[Settlement] = []
        while True:
            answers, jobs = adapter.exchange(done, queues or [self.queue], limit=7, timeout=0.0)
            assert all(answer is True for answer in answers)
            if not jobs:
                return texts
            texts += [self.text(job) for job in jobs]
            done = [Settlement(Verb.DELETE, job) for job in jobs]

    # What is seen

    def text(self, job: Job | ListedJob) -> str:
        """Return the text in a job's body."""
        return str(self._codec.decode(job.body).body)

    def stats(self, queue: str | None = None) -> QueueStats:
        """Count the jobs of the test's queue."""
        return self.admin.stats(queue or self.queue)

    def seen(self, job: NewJob) -> ListedJob:
        """Return what an operator sees of a job that must be there."""
        found = self.admin.peek([job.id])[0]
        assert found is not None, "the job is gone"
        return found

    def state(self, job: NewJob) -> JobState:
        """Return the state of a job that must be there."""
        return self.seen(job).state
