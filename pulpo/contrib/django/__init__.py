"""Django: its own tasks run by pulpo, and workers that know a Django project.

    INSTALLED_APPS = [..., "pulpo.contrib.django"]
    TASKS = {"default": {"BACKEND": "pulpo.contrib.django.PulpoBackend"}}

    python manage.py pulpo_worker

Needs the extra `django`, and on Django 5.2 the package `django-tasks` for its tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulpo.contrib.django.backend import PulpoBackend
    from pulpo.contrib.django.tasks import PulpoTask

__all__ = ["PulpoBackend", "PulpoTask"]

_HOMES = {"PulpoBackend": "backend", "PulpoTask": "tasks"}

if not TYPE_CHECKING:  # a type checker would believe that every name is here
    # Who installs the app need not use Django's tasks, which on 5.2 are a package of their own.
    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415  # see above

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
