"""Where the jobs of one test wait: an engine that holds nothing else, by the URL that is asked for.

Of a queue in memory or in a file, and of a beanstalkd without a host, each test has one of its own.
Any other is shared: it must be empty before a test, and is emptied after it. Knows no app.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn
from urllib.parse import quote

from pulpo.adapter import Engine, QueueAdmin
from pulpo.adapters import open_engine
from pulpo.errors import UsageError
from pulpo.job import Act, Change
from pulpo.queue_url import mask
from pulpo.testing.beanstalkd import NO_BEANSTALKD, PrivateBeanstalkd, find_beanstalkd
from pulpo.testing.clock import TrialClock, frozen_clock, unmovable_clock

__all__ = ["Place", "place"]

# The engines that go by the clock they are given; all others have one of their own.
_MOVABLE = ("memory", "sqlite")
Refuse = Callable[[str], NoReturn]


@dataclass(frozen=True, slots=True)
class Place:
    """The engine of one test, its URL and its clock."""

    engine: Engine
    url: str
    clock: TrialClock


@contextmanager
def place(url: str, folder: Path | None, refuse: Refuse | None) -> Iterator[Place]:
    """Make a place for the jobs of one test, and leave nothing of it behind.

    A file is made in `folder`, or in a temporary one. `refuse` is told why something cannot be done
    here, and raises. Raises `UsageError` for a queue that is not empty, or no URL.
    """
    scheme, _, rest = url.strip().partition(":")
    with ExitStack() as stack:
        if scheme == "sqlite":
            url = _file(rest, folder or Path(stack.enter_context(TemporaryDirectory())))
        elif scheme == "beanstalkd" and not rest.strip("/").partition("?")[0]:
            url = stack.enter_context(_server(refuse)).url + rest.lstrip("/")
            if "side=" not in url:
                # What makes jobs unique, and limits them, ends with the server.
                beside = _file("", Path(stack.enter_context(TemporaryDirectory())))
                url += f"{'&' if '?' in url else '?'}side={quote(beside, safe='')}"
        elif not rest:
            url = f"{scheme}://"
        clock = frozen_clock() if scheme in _MOVABLE else unmovable_clock(scheme, refuse)
        engine = open_engine(url, clock=clock)
        if scheme not in _MOVABLE:
            stack.enter_context(_emptied(engine, url))
        yield Place(engine, url, clock)


def _file(rest: str, folder: Path) -> str:
    # Only the options count: a file that is named may be one that somebody works with.
    _, mark, options = rest.partition("?")
    return f"sqlite:///{quote(str(folder.absolute()))}/queue.db{mark}{options}"


def _server(refuse: Refuse | None) -> PrivateBeanstalkd:
    program = find_beanstalkd()
    if program is None:
        if refuse is not None:
            refuse(NO_BEANSTALKD)
        raise UsageError(NO_BEANSTALKD)
    return PrivateBeanstalkd(program)


@contextmanager
def _emptied(engine: Engine, url: str) -> Iterator[None]:
    admin = engine.admin()
    try:
        found = [job for page in admin.walk() for job in page.jobs]
        if found:
            raise UsageError(
                f"{mask(url)} holds {len(found)} jobs; what tests leave is deleted, so they need a "
                "queue of their own"
            )
        try:
            yield
        finally:
            _empty(admin)
    finally:
        admin.close()


def _empty(admin: QueueAdmin) -> None:
    for queue in admin.queues():
        admin.resume(queue)
    for page in admin.walk():
        admin.change([Change(Act.DELETE, job.sighting) for job in page.jobs])
