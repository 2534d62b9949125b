"""A command of pulpo's for one project: manage.py finds the settings, and hands over the process.

It becomes `python -m pulpo`: no connection of its own is left in it when a worker forks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings

from pulpo import default_app

__all__ = ["run_here"]

_MODULE = "pulpo.contrib.django.worker"
# What manage.py itself takes, and has taken already: with a value or without.
_WITH_VALUE = ("--settings", "--pythonpath", "--verbosity")
_ALONE = ("--traceback", "--no-color", "--force-color", "--skip-checks")


def run_here(command: Any, verb: str, words: Sequence[str]) -> NoReturn:  # Any: one of Django's
    """Check the project, then let this process be the verb of `pulpo` for it."""
    left = list(_own(words))
    is_asked_for_help = bool({"-h", "--help"} & set(left)) or (verb == "outbox" and not left)
    if not is_asked_for_help:
        command.check()
        if verb == "worker" and not any(word.startswith(("-q", "--queue")) for word in left):
            left += [word for queue in _queues() for word in ("-q", queue)]
    # The module stands behind the words that say what to do.
    last = 1 if verb == "outbox" else 0
    module = [] if is_asked_for_help else [_MODULE]
    found = [os.environ.get("PYTHONPATH", ""), str(Path(sys.path[0] or ".").absolute())]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, found))}
    sys.stdout.flush()
    sys.stderr.flush()
    said = [sys.executable, "-m", "pulpo", verb, *left[:last], *module, *left[last:]]
    os.execve(sys.executable, said, environ)


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
