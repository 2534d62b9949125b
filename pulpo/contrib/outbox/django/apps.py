"""What Django is told of the outbox: its name, and that workers relay it."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig

__all__ = ["OutboxConfig"]


class OutboxConfig(AppConfig):
    """The app of the outbox."""

    name = "pulpo.contrib.outbox.django"
    label = "pulpo_outbox"
    verbose_name = "pulpo's outbox"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let every worker of this project relay."""
        import_module("pulpo.contrib.outbox.django.publishing")
