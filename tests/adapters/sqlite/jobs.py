"""Short words for what these tests put and reserve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pulpo.adapter import QueueAdapter
from pulpo.identity import new_id
from pulpo.job import Job, NewJob, Settlement, Verb


def new(body: bytes = b"a job", **fields: Any) -> NewJob:  # any field of NewJob
    return NewJob(**{"id": new_id(), "type": "a", "queue": "default", "body": body} | fields)


def put(adapter: QueueAdapter, *jobs: NewJob) -> None:
    assert list(adapter.put(jobs)) == [job.id for job in jobs]


def reserve(
    adapter: QueueAdapter,
    limit: int = 1,
    queues: Sequence[str] = ("default",),
    timeout: float = 0.0,
) -> Sequence[Job]:
    return adapter.exchange((), queues, limit=limit, timeout=timeout)[1]


def bodies(jobs: Sequence[Job]) -> list[bytes]:
    return [job.body for job in jobs]


def delete(adapter: QueueAdapter, jobs: Sequence[Job]) -> list[object]:
    done = [Settlement(Verb.DELETE, job) for job in jobs]
    return list(adapter.exchange(done, (), limit=0, timeout=0.0)[0])
