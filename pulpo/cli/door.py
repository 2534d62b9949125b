"""The doors to the queue: for operators an engine's admin, for publishing and working the app.

The operator's verbs go to the engine directly: they pay neither for the app nor for user code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pulpo.adapter import Engine, QueueAdmin
from pulpo.adapters import open_engine
from pulpo.cli.errors import REFUSED, CommandError
from pulpo.cli.output import talk
from pulpo.cli.target import Target
from pulpo.codec import Codec
from pulpo.configuration import find_url, signing_keys
from pulpo.errors import ConfigurationError, UsageError
from pulpo.queue_url import QueueURL, mask
from pulpo.side import SideStore, side_of
from pulpo.spelling import closest

__all__ = [
    "administered",
    "beside",
    "check_shared",
    "codec",
    "hint_at_queue",
    "memory_refusal",
    "shared_url",
]


def shared_url(target: Target) -> str:
    """Return the queue's URL; refuses one that only its own process could see."""
    found = find_url(target.url)
    if target.verbose:
        talk(f"queue: {mask(found.url)}" + (f" (from {found.source})" if found.source else ""))
    try:
        refusal = memory_refusal(found.url)
        if refusal is None:
            open_engine(found.url)  # checks the options, connects to nothing
    except UsageError as error:
        if not found.source:
            raise
        raise ConfigurationError(f"{found.source}: {error}") from None
    if refusal is not None:
        raise CommandError(refusal, code=REFUSED)
    return found.url


def check_shared(url: str) -> str:
    """Refuse a URL that was given beside the queue's own, as `shared_url` refuses that one."""
    if refusal := memory_refusal(url):
        raise CommandError(refusal, code=REFUSED)
    open_engine(url)
    return url


def memory_refusal(url: str) -> str | None:
    """Say why a command can't use this URL; None if it can."""
    if QueueURL.parse(url).scheme != "memory":
        return None
    return (
        f"{mask(url)!r} lives inside one process, and this command is another one; "
        "take a sqlite:// or beanstalkd:// URL"
    )


@contextmanager
def administered(target: Target) -> Iterator[tuple[QueueAdmin, Engine]]:
    """Open the operator's door of the queue, and close it."""
    engine = open_engine(shared_url(target))
    admin = engine.admin()
    try:
        yield admin, engine
    finally:
        admin.close()


@contextmanager
def beside(target: Target) -> Iterator[SideStore]:
    """Open what is known beside the queue, and close it; the queue itself is not reached."""
    url = shared_url(target)
    store = side_of(open_engine(url))
    if store is None:
        raise CommandError(f"{mask(url)!r} keeps no facts beside the queue", code=REFUSED)
    try:
        yield store
    finally:
        store.close()


def codec() -> Codec:
    """Return the codec that a worker of this environment would use."""
    return Codec(signing_keys())


def hint_at_queue(admin: QueueAdmin, queue: str) -> None:
    """Say on stderr that a queue does not exist, with the nearest name that does."""
    names = admin.queues()
    if queue not in names:
        close = closest(queue, names)
        talk(f"no queue {queue!r} now" + (f"; did you mean {close!r}?" if close else ""))
