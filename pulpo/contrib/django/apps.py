"""What Django is told of pulpo: its name, and what is set up at the start of a process."""

from __future__ import annotations

from django.apps import AppConfig

from pulpo.contrib.django.setting_up import set_up

__all__ = ["PulpoConfig"]


class PulpoConfig(AppConfig):
    """The app that brings `manage.py pulpo_worker`."""

    name = "pulpo.contrib.django"
    label = "pulpo"
    verbose_name = "pulpo"

    def ready(self) -> None:
        """Use the queue of the project's settings."""
        set_up()
