"""Django's `TaskResult`, put together from a task's story and what the queue says of its job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from pulpo.contrib.django.framework import TaskError, TaskResult, TaskResultStatus
from pulpo.contrib.django.stories import Story
from pulpo.contrib.django.tasks import restored
from pulpo.envelope import Envelope
from pulpo.identity import published_at
from pulpo.job import JobState, ListedJob

__all__ = ["new_result", "result_of", "result_without_story", "state_of"]

_STATES: Mapping[JobState, Any] = {
    JobState.READY: TaskResultStatus.READY,
    JobState.DELAYED: TaskResultStatus.READY,
    JobState.RESERVED: TaskResultStatus.RUNNING,
    JobState.BURIED: TaskResultStatus.FAILED,
}


def state_of(job: ListedJob) -> Any:  # Any: Django has no types
    """Return the status that a job's state stands for."""
    return _STATES[job.state]


def new_result(task: Any, id: str, args: Any, kwargs: Any, backend: str) -> Any:  # likewise
    """Return the result of a task that is being enqueued; makes its arguments plain JSON."""
    return TaskResult(
        task=task,
        id=id,
        status=TaskResultStatus.READY,
        enqueued_at=_moment(published_at(id)),
        started_at=None,
        last_attempted_at=None,
        finished_at=None,
        args=args,
        kwargs=kwargs,
        backend=backend,
        errors=[],
        worker_ids=[],
    )


def result_of(task: Any, id: str, story: Story, status: Any = None) -> Any:  # likewise
    """Return the result of a task that has begun; `status` is that of its job, if it counts."""
    run_after = _moment(story.run_after)
    found = restored(
        task,
        priority=story.priority,
        queue=story.queue,
        backend=story.backend,
        run_after=run_after,
    )
    result = TaskResult(
        task=found,
        id=id,
        status=TaskResultStatus(story.status) if status is None else status,
        enqueued_at=_moment(published_at(id)),
        started_at=_moment(story.started),
        last_attempted_at=_moment(story.attempted),
        finished_at=_moment(story.finished),
        args=story.args,
        kwargs=story.kwargs,
        backend=story.backend,
        errors=[
            TaskError(exception_class_path=path, traceback=text) for path, text in story.errors
        ],
        worker_ids=list(story.workers),
    )
    object.__setattr__(result, "_return_value", story.value)
    return result


def result_without_story(task: Any, job: ListedJob, envelope: Envelope) -> Any:  # likewise
    """Return the result of a task of which only the queue knows."""
    body: Any = envelope.body
    found = restored(
        task,
        priority=job.priority,
        queue=job.queue,
        backend=body["backend"],
        run_after=_moment(envelope.due),
    )
    result = new_result(found, job.id, body["args"], body["kwargs"], body["backend"])
    object.__setattr__(result, "status", state_of(job))
    return result


def _moment(second: float | None) -> datetime | None:
    if second is None:
        return None
    aware = datetime.fromtimestamp(second, UTC)
    if settings.USE_TZ:
        return aware
    naive: datetime = timezone.make_naive(aware, timezone.get_default_timezone())
    return naive
