"""An engine with a spool in front of it, by the options `spool` and `spool_limit` of its URL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pulpo.adapter import (
    Engine,
    GuardsBeside,
    Inserting,
    QueueAdapter,
    QueueAdmin,
    Transactional,
    no_beat,
)
from pulpo.adapters.spool.adapter import SpoolingAdapter
from pulpo.adapters.spool.reach import Reach
from pulpo.adapters.spool.store import Spool
from pulpo.clock import Clock
from pulpo.errors import UnsupportedError, UsageError
from pulpo.queue_url import QueueURL
from pulpo.size import size_in_bytes

if TYPE_CHECKING:
    from pulpo.side import SideStore

__all__ = ["OPTIONS", "SpoolingEngine", "spool_of", "spooling"]

OPTIONS = ("spool", "spool_limit")
_DEFAULT_LIMIT = 256_000_000
_WHY_NOT = {
    "sqlite": "a queue in a file is never away: there is no server that could be",
    "memory": "a queue in memory ends with its process, and a spool would outlive it",
}


class SpoolingEngine:
    """A queue by its URL, whose jobs are kept in `spool` while it is out of reach."""

    def __init__(self, queue: Engine, spool: Spool, *, clock: Clock) -> None:
        self.queue = queue
        self.spool = spool
        self._reach = Reach(clock)
        self._clock = clock

    def adapter(self, *, beat: Callable[[], None] = no_beat) -> QueueAdapter:
        """Open a door for one thread."""
        open_door = partial(self.queue.adapter, beat=beat)
        keeps = self.guards_beside is not False
        return SpoolingAdapter(
            open_door, self.spool, self._reach, self._clock, beat=beat, keeps_guards=keeps
        )

    def admin(self) -> QueueAdmin:
        """Open a door for an operator, to the queue alone."""
        return self.queue.admin()

    @property
    def guards_beside(self) -> bool | None:
        """Whether the queue's guards are kept beside it; see `pulpo.adapter.GuardsBeside`."""
        queue = self.queue
        return queue.guards_beside if isinstance(queue, GuardsBeside) else None

    def within(self, connection: object) -> Inserting:
        """Open a door into a user's own transaction, which needs no spool."""
        if isinstance(self.queue, Transactional):
            return self.queue.within(connection)
        raise UnsupportedError(f"the queue behind the spool takes no within={connection!r}")

    def side(self) -> SideStore | None:
        """Open the facts beside the queue behind the spool; see `pulpo.side.KeepsSide`."""
        from pulpo.side import side_of  # noqa: PLC0415  # no producer needs it

        return side_of(self.queue)


def spooling(
    url: QueueURL, open_queue: Callable[[QueueURL], Engine], clock: Clock
) -> SpoolingEngine:
    """Return the engine of a URL with these options; opens and makes nothing.

    A relative folder is taken from the one that is current now.
    """
    if url.scheme in _WHY_NOT:
        option = next(name for name in OPTIONS if name in url.options)
        raise UnsupportedError(f"{url.scheme} takes no option {option!r}: {_WHY_NOT[url.scheme]}")
    folder = url.options.get("spool", "")
    if not folder or "\0" in folder:
        raise UsageError(f"option 'spool' must name a folder: {url.masked!r}")
    spool = Spool(Path(folder).absolute(), _limit(url), clock)
    return SpoolingEngine(open_queue(url.without(OPTIONS)), spool, clock=clock)


def _limit(url: QueueURL) -> int:
    text = url.options.get("spool_limit")
    if text is None:
        return _DEFAULT_LIMIT
    bare = text.isdecimal() and text.isascii()
    return size_in_bytes(f"{text}B" if bare else text, "option 'spool_limit'")


def spool_of(engine: Engine) -> Spool | None:
    """Return the spool of an engine; None for one without."""
    return engine.spool if isinstance(engine, SpoolingEngine) else None
