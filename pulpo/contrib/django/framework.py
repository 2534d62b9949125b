"""Django's tasks, wherever they are: in Django 6, or in the package `django-tasks` for 5.2.

One place for names that differ, so that the rest need not know which it is.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import django
from django.core.exceptions import ImproperlyConfigured

__all__ = [
    "BaseTaskBackend",
    "InvalidTask",
    "Task",
    "TaskContext",
    "TaskError",
    "TaskResult",
    "TaskResultDoesNotExist",
    "TaskResultStatus",
    "normalize_json",
    "task_enqueued",
    "task_finished",
    "task_started",
]

_IS_BUILT_IN = django.VERSION >= (6,)


def _module(name: str) -> Any:  # Any: neither has types that hold for the other
    package = "django.tasks" if _IS_BUILT_IN else "django_tasks"
    try:
        return import_module(f"{package}.{name}")
    except ModuleNotFoundError as error:
        if error.name != "django_tasks":
            raise
        version = django.get_version()
        raise ImproperlyConfigured(
            f"Django {version} has no tasks of its own: install django-tasks"
        ) from None


BaseTaskBackend = _module("backends.base").BaseTaskBackend
Task = _module("base").Task
TaskContext = _module("base").TaskContext
TaskError = _module("base").TaskError
TaskResult = _module("base").TaskResult
TaskResultStatus = _module("base").TaskResultStatus
TaskResultDoesNotExist = _module("exceptions").TaskResultDoesNotExist
task_enqueued = _module("signals").task_enqueued
task_finished = _module("signals").task_finished
task_started = _module("signals").task_started
if _IS_BUILT_IN:
    InvalidTask = _module("exceptions").InvalidTask
    normalize_json = import_module("django.utils.json").normalize_json
else:
    InvalidTask = _module("exceptions").InvalidTaskError
    normalize_json = _module("utils").normalize_json
