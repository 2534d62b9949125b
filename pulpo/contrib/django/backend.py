"""The backend of Django's tasks: they become jobs, and are run by pulpo's workers.

TASKS = {
    "default": {
        "BACKEND": "pulpo.contrib.django.PulpoBackend",
        "QUEUES": ["default", "mail"],
        "OPTIONS": {"retries": 3},
    }
}
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.utils.module_loading import autodiscover_modules

from pulpo import default_app
from pulpo.committing import django as committing
from pulpo.contrib.django.framework import (
    BaseTaskBackend,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_enqueued,
)
from pulpo.contrib.django.results import (
    new_result,
    result_of,
    result_without_story,
    state_of,
)
from pulpo.contrib.django.running import Binding
from pulpo.contrib.django.setting_up import set_up
from pulpo.contrib.django.stories import Stories
from pulpo.contrib.django.tasks import PulpoTask, job_options, message_for, type_of
from pulpo.duration import seconds
from pulpo.errors import CodecError, PulpoError, UsageError
from pulpo.identity import check_queue, is_id, new_id
from pulpo.job import ListedJob
from pulpo.message import Message
from pulpo.options import make_job_type

__all__ = ["PulpoBackend"]

_OF_JOBS = ("retries", "backoff", "timeout", "ttr", "expires")
_OWN = ("on_commit", "outbox", "database", "keep_results")


class PulpoBackend(BaseTaskBackend):
    """Runs Django's tasks as pulpo's jobs, on the queue of the project; any thread may enqueue.

    `OPTIONS` are `retries`, `backoff`, `timeout`, `ttr`, `expires` for all its tasks;
    `on_commit` (True): enqueue when the transaction of `database` ("default") commits; `outbox`
    (False): as a row in that transaction; `keep_results` ("1d").
    """

    task_class = PulpoTask
    supports_defer = True
    supports_async_task = True
    supports_priority = True

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        for name in self.options:
            if name not in _OF_JOBS + _OWN:
                known = ", ".join(_OF_JOBS + _OWN)
                raise ImproperlyConfigured(f"TASKS[{alias!r}]: unknown option {name!r}; {known}")
        set_up()
        self._usual = {name: self.options[name] for name in _OF_JOBS if name in self.options}
        self._database: str = self.options.get("database", "default")
        self._keeps = seconds(self.options.get("keep_results", "1d"), "keep_results")
        self._kept: tuple[object, Stories] | None = None

    @property
    def supports_get_result(self) -> bool:
        """Whether results are found from everywhere: not where each host keeps facts of its own.

        That is so on beanstalkd, unless `?side=` names a store that all hosts share.
        """
        return self._stories().is_whole

    def _stories(self) -> Stories:
        engine = default_app().engine
        if self._kept is None or self._kept[0] is not engine:
            self._kept = (engine, Stories(engine, lasts=self._keeps))
        return self._kept[1]

    def validate_task(self, task: Any) -> None:
        """Check a task as Django does, and make it known as a job type."""
        super().validate_task(task)
        registry = default_app().registry
        if registry.find(type_of(task)) is None:
            job_type = make_job_type(
                job_options(task, self._usual),
                type=type_of(task),
                bind=Binding(task, type(self), self._stories),
                is_async=inspect.iscoroutinefunction(task.func),
                source=task.module_path,
            )
            registry.add(job_type)

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Enqueue a task, as soon as the transaction is committed; returns its result to be."""
        self.validate_task(task)
        result = new_result(task, new_id(), args, kwargs, self.alias)
        message = message_for(task, result, self.alias)
        tell = partial(task_enqueued.send, type(self), task_result=result)
        if self.options.get("outbox", False):
            _outbox(self._database)(message)
            self._when_committed(tell)
        elif self.options.get("on_commit", True) and self._may_be_in_transaction():
            committing.publish_at_commit(default_app().sender, message, using=self._database)
            self._when_committed(tell)
        else:
            default_app().publish(message)
            tell()
        return result

    def _may_be_in_transaction(self) -> bool:
        # A thread that has not used the database is not made to connect.
        connection = connections[self._database]
        return connection.in_atomic_block or connection.connection is not None

    def _when_committed(self, call: Callable[[], object]) -> None:
        transaction.on_commit(call, using=self._database)

    def get_result(self, result_id: str) -> Any:
        """Return what is known of a task; raises `TaskResultDoesNotExist` where that is nothing."""
        if not self.supports_get_result:
            return super().get_result(result_id)
        if not is_id(result_id):
            raise TaskResultDoesNotExist(result_id)
        # The queue first: a task that ends meanwhile has its story by then.
        job = self._job(result_id)
        story = self._stories().read(result_id)
        if story is not None:
            task = self._task(story.path, result_id)
            status = None
            if story.status != TaskResultStatus.SUCCESSFUL.value:
                # A job that is gone without success was deleted, has expired or was cancelled.
                status = TaskResultStatus.FAILED if job is None else state_of(job)
            return result_of(task, result_id, story, status)
        if job is None:
            raise TaskResultDoesNotExist(result_id)
        try:
            envelope = default_app().codec.decode(job.body)
        except CodecError:
            raise TaskResultDoesNotExist(result_id) from None
        task = self._task(envelope.type.removeprefix("django:"), result_id)
        return result_without_story(task, job, envelope)

    def _job(self, result_id: str) -> ListedJob | None:
        admin = default_app().engine.admin()
        try:
            return admin.peek([result_id])[0]
        finally:
            admin.close()

    def _task(self, path: str, result_id: str) -> Any:
        registry = default_app().registry
        if registry.find(f"django:{path}") is None:
            autodiscover_modules("tasks")
        job_type = registry.find(f"django:{path}")
        if job_type is None or not isinstance(job_type.bind, Binding):
            raise TaskResultDoesNotExist(result_id)
        return job_type.bind.task

    def check(self, **_: Any) -> Iterable[Any]:
        """Check the settings: the queue's URL, the names of queues, the options, the database."""
        ways = (
            lambda: default_app().engine,
            lambda: [check_queue(queue) for queue in self.queues],
            lambda: make_job_type(
                self._usual,  # type: ignore[arg-type]  # that is what is checked
                type="x",
                bind=Binding(None, type(self), self._stories),
                is_async=False,
                source="",
            ),
            lambda: connections[self._database],
            lambda: _outbox(self._database) if self.options.get("outbox") else None,
        )
        return [
            checks.Error(f"TASKS[{self.alias!r}]: {error}", id="pulpo.E001")
            for error in map(_error_of, ways)
            if error is not None
        ]


def _error_of(check: Callable[[], object]) -> Exception | None:
    try:
        check()
    except (PulpoError, UsageError, ImproperlyConfigured) as error:
        return error
    except Exception as error:  # noqa: BLE001  # Django's own, for a database that is not there
        return error
    return None


def _outbox(database: str) -> Callable[[Message], object]:
    from pulpo.contrib.outbox.django import Outbox, outbox  # noqa: PLC0415  # who has one

    known = _OUTBOXES.get(database)
    if known is None:
        known = outbox if outbox.using == database else Outbox(database)
        _OUTBOXES[database] = known
    publish: Callable[[Message], object] = known.publish
    return publish


_OUTBOXES: dict[str, Any] = {}
