"""`manage.py pulpo_outbox`: `pulpo outbox` for this project: relay, show, again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from pulpo.contrib.django.commanding import run_here

__all__ = ["Command"]


class Command(BaseCommand):
    """Relay the jobs in this project's outbox, and see what waits there."""

    help = "Relays the jobs in this project's outbox; takes the verbs of `pulpo outbox`."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Hand everything on to `pulpo outbox`."""
        run_here(self, "outbox", argv[2:])

    def add_arguments(self, parser: Any) -> None:
        """Take the verb and its options as a list, for `call_command`."""
        parser.add_argument("options", nargs="*")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run a verb, which this process becomes."""
        run_here(self, "outbox", options["options"])
