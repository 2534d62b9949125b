"""A command of pulpo's, run by manage.py with the project's settings and code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.db import connections

from pulpo import default_app

__all__ = ["run_here"]

_MODULE = "pulpo.contrib.django.worker"
# What manage.py itself takes, and has taken already: with a value or without.
_WITH_VALUE = ("--settings", "--pythonpath", "--verbosity")
_ALONE = ("--traceback", "--no-color", "--force-color", "--skip-checks")


def run_here(command: Any, verb: str, words: Sequence[str]) -> NoReturn:  # Any: one of Django's
    """Check the project, run a verb of `pulpo` for it, and end the process."""
    left = list(_own(words))
    # Processes of a worker that are started anew find the project as this one did.
    found = [os.environ.get("PYTHONPATH", ""), str(Path(sys.path[0] or ".").absolute())]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, found))
    if "--help" not in left and "-h" not in left:
        command.check()
        if verb == "worker" and not {"-q", "--queue"} & set(left):
            left += [word for queue in _queues() for word in ("-q", queue)]
    # The processes of a worker are forked: none may have the connections of this one.
    connections.close_all()
    # Of pulpo's commands none is below this one, but the command line is above it.
    cli = import_module("pulpo.cli")
    # What is loaded stands behind the words that say what to do.
    last = 1 if verb == "outbox" else 0
    is_bare = verb == "outbox" and not left
    sys.exit(cli.run([verb] if is_bare else [verb, *left[:last], _MODULE, *left[last:]]))


def _own(words: Sequence[str]) -> Iterator[str]:
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in _WITH_VALUE:
            skip = True
        elif word not in _ALONE and not word.startswith(tuple(f"{o}=" for o in _WITH_VALUE)):
            yield word


def _queues() -> list[str]:
    """Return the queues of the project's jobs, and those that its backends allow."""
    import_module(_MODULE)
    found = set(default_app().registry.queues())
    for params in getattr(settings, "TASKS", {}).values():
        if params.get("BACKEND", "").startswith("pulpo."):
            found.update(params.get("QUEUES", ()))
    return sorted(found)
