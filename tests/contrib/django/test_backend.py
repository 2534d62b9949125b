"""Django's own tasks on pulpo: what Django's tests ask of a backend, on a real queue."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from datetime import timedelta
from typing import Any

import django
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone

import pulpo
from pulpo.contrib.django import PulpoBackend, PulpoTask
from pulpo.contrib.django.framework import (
    InvalidTask,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_enqueued,
    task_finished,
    task_started,
)
from pulpo.job import JobState
from tests.contrib.django.shop import tasks
from tests.contrib.django.shop.models import Person
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.processes import until

if django.VERSION >= (6,):
    from django.tasks import default_task_backend, task_backends
    from django.tasks.exceptions import TaskResultMismatch
else:
    from django_tasks import default_task_backend, task_backends
    from django_tasks.exceptions import TaskResultMismatch


def work() -> None:
    """Let a worker run what is ready."""
    connection.close()
    assert pulpo.run_worker(burst=True, queues=["default", "mail"])


def listed() -> list[Any]:
    with closing(pulpo.default_app().engine.admin()) as admin:
        return list(admin.list())


def delete(result_id: str) -> None:
    with closing(pulpo.default_app().engine.admin()) as admin:
        admin.delete([result_id])


def test_a_task_runs_and_its_result_is_found_from_everywhere() -> None:
    result = tasks.add.enqueue(3, other=4)
    assert (result.status, result.is_finished, result.attempts) == ("READY", False, 0)
    assert abs(result.enqueued_at - timezone.now()) < timedelta(seconds=30)
    with pytest.raises(ValueError, match="not finished"):
        _ = result.return_value

    work()
    result.refresh()

    assert (result.status, result.return_value, result.attempts) == ("SUCCESSFUL", 7, 1)
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert result.last_attempted_at == result.started_at
    assert (result.args, result.kwargs, result.backend) == ([3], {"other": 4}, "default")
    assert result.errors == []
    found = default_task_backend.get_result(result.id)
    assert (found.id, found.task.func, found.return_value) == (result.id, tasks.add.func, 7)
    assert listed() == []


def test_a_waiting_task_is_found_in_the_queue() -> None:
    later = timezone.now() + timedelta(hours=1)
    result = tasks.greet.using(run_after=later, priority=-30).enqueue("Ada")

    found = tasks.greet.get_result(result.id)
    assert found.status == TaskResultStatus.READY
    assert (found.args, found.kwargs, found.worker_ids) == (["Ada"], {}, [])
    assert (found.task.queue_name, found.task.priority) == ("mail", -30)
    assert abs(found.task.run_after - later) < timedelta(milliseconds=1)
    assert found.enqueued_at == result.enqueued_at
    (job,) = listed()
    assert (job.queue, job.state, job.id) == ("mail", JobState.DELAYED, result.id)


def test_async_tasks_run() -> None:
    Person.objects.create(name="Ada")
    one, other = tasks.add_slowly.enqueue(1, 2), tasks.count_persons.enqueue()
    work()
    one.refresh()
    other.refresh()

    assert (one.return_value, other.return_value) == (3, 1)


def test_tasks_are_enqueued_and_looked_up_by_async_code() -> None:
    async def main() -> Any:
        return await tasks.add.aenqueue(1, 2)

    result = asyncio.run(main())
    work()
    asyncio.run(result.arefresh())
    assert result.return_value == 3
    assert asyncio.run(tasks.add.aget_result(result.id)).return_value == 3


def test_urgent_tasks_go_first() -> None:
    for priority in (0, -100, 100, 50, -1):
        tasks.add.using(priority=priority).enqueue(priority)
    work_in_order()

    assert tasks.DONE == [100, 50, 0, -1, -100]


def work_in_order() -> None:
    connection.close()
    assert pulpo.run_worker(burst=True, threads=1)


def test_a_priority_of_zero_is_that_of_any_job() -> None:
    tasks.add.enqueue(1)
    pulpo.publish(pulpo.Message(type="t"))

    assert {job.priority for job in listed()} == {pulpo.NORMAL}


@pytest.mark.parametrize("task", [tasks.attempt, tasks.attempt_slowly])
def test_a_task_that_fails_is_ready_again_until_it_succeeds(task: Any) -> None:
    result = task.enqueue(3)
    work()
    result.refresh()

    assert (result.status, result.attempts) == ("SUCCESSFUL", 3)
    assert [error.exception_class for error in result.errors] == [LookupError, LookupError]
    assert "LookupError: attempt 1" in result.errors[0].traceback
    if task is tasks.attempt:
        assert result.return_value == [3, result.id]


def test_between_two_attempts_a_task_is_ready() -> None:
    result = tasks.attempt.using(queue_name="mail").enqueue(99)
    seen: list[str] = []

    def look(sender: Any, task_result: Any, **_: Any) -> None:
        seen.append(default_task_backend.get_result(result.id).status)
        with closing(pulpo.default_app().engine.admin()) as admin:
            admin.pause("mail")

    task_started.connect(look)
    try:
        connection.close()
        pulpo.run_worker(burst=True)
    finally:
        task_started.disconnect(look)
    result.refresh()

    assert seen[0] == "RUNNING"
    assert (result.status, len(result.errors), result.finished_at) == ("READY", len(seen), None)


@pytest.mark.parametrize(
    ("task", "kind", "attempts"),
    [(tasks.fail, ValueError, 2), (tasks.give_up, pulpo.FatalError, 1)],
)
def test_a_task_without_attempts_left_has_failed(task: Any, kind: type, attempts: int) -> None:
    result = task.enqueue()
    work()
    result.refresh()

    assert (result.status, result.attempts) == ("FAILED", attempts)
    assert [error.exception_class for error in result.errors] == [kind] * attempts
    assert result.finished_at is not None
    with pytest.raises(ValueError, match="failed"):
        _ = result.return_value
    (job,) = listed()
    assert job.state is JobState.BURIED


@pytest.mark.parametrize("task", [tasks.odd, tasks.huge])
def test_a_value_that_cannot_be_kept_is_a_failure_and_not_tried_again(task: Any) -> None:
    result = task.enqueue()
    work()
    result.refresh()

    assert (result.status, result.attempts) == ("FAILED", 1)


def test_a_deleted_task_has_failed_or_is_not_there() -> None:
    begun, waiting = tasks.fail.enqueue(), tasks.add.enqueue(1)
    delete(waiting.id)
    work()
    delete(begun.id)

    assert default_task_backend.get_result(begun.id).status == "FAILED"
    for unknown in (waiting.id, "nonsense", "", "x y", "0" * 500):
        with pytest.raises(TaskResultDoesNotExist):
            default_task_backend.get_result(unknown)


def test_a_result_belongs_to_its_task() -> None:
    result = tasks.add.enqueue(1)

    with pytest.raises(TaskResultMismatch):
        tasks.greet.get_result(result.id)
    with pytest.raises(TaskResultDoesNotExist):
        tasks.add.get_result(pulpo.publish(pulpo.Message(type="t")).id)
    ref = pulpo.publish(pulpo.Message(type="django:os.system", body={"args": ["true"]}))
    with pytest.raises(TaskResultDoesNotExist):
        default_task_backend.get_result(ref.id)


def test_signals_are_sent_by_the_backend_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "django.tasks")
    caplog.set_level(logging.DEBUG, "django_tasks")
    told: list[Any] = []

    def tell(signal: Any, sender: Any, task_result: Any, **_: Any) -> None:
        told.append((signal, sender, task_result.id, str(task_result.status)))

    signals = (task_enqueued, task_started, task_finished)
    for signal in signals:
        signal.connect(tell)
    try:
        result = tasks.fail.enqueue()
        work()
    finally:
        for signal in signals:
            signal.disconnect(tell)

    assert told == [
        (task_enqueued, PulpoBackend, result.id, "READY"),
        (task_started, PulpoBackend, result.id, "RUNNING"),
        (task_started, PulpoBackend, result.id, "RUNNING"),
        (task_finished, PulpoBackend, result.id, "FAILED"),
    ]
    assert any(
        record.levelname == "ERROR" and result.id in record.message for record in caplog.records
    )


def test_a_task_is_enqueued_when_the_transaction_commits() -> None:
    told: list[str] = []

    def tell(task_result: Any, **_: Any) -> None:
        told.append(task_result.id)

    task_enqueued.connect(tell)
    try:
        with transaction.atomic():
            result = tasks.add.enqueue(1)
            assert (listed(), told) == ([], [])
        with transaction.atomic():
            tasks.add.enqueue(2)
            transaction.set_rollback(True)
        with transaction.atomic():
            now = tasks.now.enqueue(3)
            assert [job.id for job in listed()] == [result.id, now.id]
    finally:
        task_enqueued.disconnect(tell)

    assert told == [result.id, now.id]


def test_a_task_goes_through_the_outbox() -> None:
    from pulpo.contrib.outbox.django.models import OutboxJob

    with transaction.atomic():
        tasks.sure.enqueue(1)
        transaction.set_rollback(True)
    with transaction.atomic():
        result = tasks.sure.enqueue(2)
    assert [row.job_id for row in OutboxJob.objects.all()] == [result.id]
    assert listed() == []
    work()

    result.refresh()
    assert (result.status, result.return_value, result.backend) == ("SUCCESSFUL", 2, "outbox")
    assert tasks.DONE == [2]


def test_options_of_a_task_and_of_its_backend_hold() -> None:
    registry = pulpo.default_app().registry
    place = "django:tests.contrib.django.shop.tasks"

    assert isinstance(tasks.fail, PulpoTask)
    assert registry[f"{place}.fail"].policy.retries == 1
    assert registry[f"{place}.add"].policy.retries == 20
    assert registry[f"{place}.add"].policy.backoff == 0
    assert registry[f"{place}.now"].policy.retries == 0
    assert registry[f"{place}.greet"].queue == "mail"
    assert registry[f"{place}.greet"].priority < pulpo.NORMAL


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: tasks.add.enqueue(), "add does not take these arguments"),
        (lambda: tasks.add.enqueue(1, 2, 3), "add does not take these arguments"),
        (lambda: tasks.add.using(queue_name="unknown"), "not valid for backend"),
        (lambda: tasks.add.using(priority=101), "whole number between"),
        (lambda: tasks.add.using(priority=1.5), "whole number between"),
        (lambda: tasks.add.using(run_after=timezone.now().replace(tzinfo=None)), "aware datetime"),
        (lambda: task_backends["default"].task_class(func=lambda: None), "module level"),
    ],
)
def test_a_wrong_task_is_refused(call: Any, reason: str) -> None:
    with pytest.raises(InvalidTask, match=reason):
        call()
    assert listed() == []


def test_arguments_that_json_cannot_hold_are_refused() -> None:
    with pytest.raises(TypeError):
        tasks.add.enqueue(object())
    assert listed() == []


def test_the_flags_say_what_the_engine_can_do(tmp_path: Any) -> None:
    backend = PulpoBackend("default", {})
    flags = ("supports_defer", "supports_async_task", "supports_get_result", "supports_priority")
    assert [getattr(backend, name) for name in flags] == [True] * 4

    pulpo.configure(url="beanstalkd://127.0.0.1:1")
    assert [getattr(backend, name) for name in flags] == [True, True, False, True]
    with pytest.raises(NotImplementedError):
        backend.get_result("x")
    # A file is for the workers of one host, wherever it is.
    pulpo.configure(url=f"beanstalkd://127.0.0.1:1?side=sqlite:///{tmp_path}/side.db")
    assert not backend.supports_get_result


def test_the_checks_find_what_is_wrong_with_the_settings() -> None:
    call_command("check")

    def said(**params: Any) -> list[str]:
        return [error.msg for error in PulpoBackend("default", params).check()]

    assert said() == []
    assert "queue" in said(QUEUES=["a b"])[0]
    assert "retries" in said(OPTIONS={"retries": -1})[0]
    assert "nowhere" in said(OPTIONS={"database": "nowhere"})[0]
    with pytest.raises(ImproperlyConfigured, match="'retrys'"):
        PulpoBackend("default", {"OPTIONS": {"retrys": 1}})
    with (
        override_settings(PULPO_URL="redis://x"),
        pytest.raises(ImproperlyConfigured, match="PULPO_URL"),
    ):
        PulpoBackend("default", {})


def test_moments_are_naive_where_the_project_has_no_zones() -> None:
    with override_settings(USE_TZ=False):
        later = timezone.now() + timedelta(hours=1)
        result = tasks.add.using(run_after=later).enqueue(1)
        found = tasks.add.get_result(result.id)
        assert found.enqueued_at.tzinfo is None
        assert abs(found.task.run_after - later) < timedelta(milliseconds=1)
        assert 3500 < listed()[0].due <= 3600


def test_a_task_that_kills_its_worker_is_not_lost() -> None:
    """That the process dies is shown by the tests of workers; here, what Django is told of it."""
    result = tasks.die.enqueue()
    adapter = pulpo.default_app().engine.adapter()
    adapter.exchange([], ["default"], limit=1, timeout=0)
    assert default_task_backend.get_result(result.id).status == "RUNNING"
    adapter.close()
    assert default_task_backend.get_result(result.id).status == "READY"


def test_tasks_run_on_beanstalkd_too(beanstalkd: Beanstalkd) -> None:
    pulpo.configure(url=beanstalkd.url)
    for priority in (-5, 5):
        tasks.greet.using(priority=priority).enqueue(f"priority {priority}")
    result = tasks.attempt.using(queue_name="mail").enqueue(2)
    later = tasks.greet.using(run_after=timezone.now() + timedelta(hours=1)).enqueue("later")
    connection.close()
    # A retry is a second away there: no burst waits for it.
    with pulpo.start_worker(threads=1, queues=["mail"], side=False):
        until(lambda: not states(result.id), "the second attempt")

    assert tasks.DONE == ["priority 5", "priority -5"]
    assert states(later.id) == [JobState.DELAYED]


def states(result_id: str) -> list[JobState]:
    with closing(pulpo.default_app().engine.admin()) as admin:
        return [job.state for job in admin.peek([result_id]) if job is not None]


def test_a_plain_job_runs_beside_tasks() -> None:
    pulpo.publish(tasks.plain.message(5))
    connection.close()
    assert pulpo.run_worker(burst=True)

    assert [person.name for person in Person.objects.all()] == ["plain 5"]
