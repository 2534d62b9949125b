"""A trial: for as long as it lasts, an app works with a queue, a clock and a worker of a test.

The one state of this package is here: which trials are going on, so that a test need not say it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pulpo
from pulpo.app import Pulpo
from pulpo.errors import UsageError
from pulpo.testing.connections import NotingConnections
from pulpo.testing.places import place
from pulpo.testing.queue import TrialQueue

__all__ = ["current", "trial", "trial_of"]

# A list and no context variable: a fixture and its test may live in two contexts.
_trials: list[TrialQueue] = []


@contextmanager
def trial(
    app: Pulpo | None = None,
    url: str = "memory://",
    *,
    folder: Path | None = None,
    refuse: Callable[[str], NoReturn] | None = None,
) -> Iterator[TrialQueue]:
    """Let an app, without one that of `pulpo.job`, work with an empty queue until the block ends.

    What `configure` says meanwhile counts afterwards. Of a `sqlite:` URL only the options count:
    the file is made anew, in `folder` or a temporary one. `beanstalkd:` without a host is a server
    that is started for this. Any other queue must be empty, and is emptied at the end. `refuse` is
    told what cannot be done on such a queue, and raises; without it, that is `UnsupportedError`.

    Job types that are declared inside functions meanwhile are forgotten at the end, with their
    schedules, so that another test may declare them again. One thread opens and ends a trial; any
    thread may publish in it.
    """
    app = pulpo.default_app() if app is None else app
    known = {job_type.type for job_type in app.registry}
    with place(url, folder, refuse) as found:
        connections = NotingConnections(found.engine, found.url, found.clock)
        give_back = app.choice.lend(connections, found.clock)
        queue = TrialQueue(app, connections, found.clock)
        _trials.append(queue)
        try:
            yield queue
        finally:
            _trials.remove(queue)
            queue.close()
            give_back()
            _forget_local_types(app, known)


@contextmanager
def trial_of(app: Pulpo | None) -> Iterator[TrialQueue]:
    """Yield the last trial of an app (None: of any), or where there is none one for this block."""
    going_on = [queue for queue in _trials if app in (None, queue.app)]
    if going_on:
        yield going_on[-1]
    else:
        with trial(app) as queue:
            yield queue


def current() -> TrialQueue:
    """Return the queue of the trial that began last; raises `UsageError` where there is none."""
    if not _trials:
        raise UsageError(
            "there is no test's queue: ask for the fixture pulpo_queue, or use "
            "`with pulpo.testing.trial():`"
        )
    return _trials[-1]


def _forget_local_types(app: Pulpo, known: set[str]) -> None:
    # Those of a module stay: it is not imported again, and the next test needs them too.
    for job_type in list(app.registry):
        if job_type.type not in known and "<locals>" in job_type.source:
            app.registry.remove(job_type)
            app.recurring.forget(job_type.type)
