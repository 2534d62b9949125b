"""`manage.py pulpo_worker`: `pulpo worker` for this project, with all its options."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from pulpo.contrib.django.commanding import run_here

__all__ = ["Command"]


class Command(BaseCommand):
    """Run the tasks and jobs of this project."""

    help = "Runs the tasks and jobs of this project; takes the options of `pulpo worker`."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Hand everything on to `pulpo worker`, options that Django does not know included."""
        run_here(self, "worker", argv[2:])

    def add_arguments(self, parser: Any) -> None:
        """Take the options as a list, for `call_command`."""
        parser.add_argument("options", nargs="*")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run a worker, which this process becomes."""
        run_here(self, "worker", options["options"])
