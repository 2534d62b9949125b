"""What a move writes down before each batch, so that after a kill the next one knows what to ask.

One fact beside the source, for each pair of source and target: which jobs are on their way, that is
put at the target maybe, and not yet known to be deleted at the source; and what was moved before
them. Knows no jobs.
"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Sequence

from pulpo.clock import Clock
from pulpo.errors import QueueError
from pulpo.folders import make_folder, state_folder
from pulpo.moving.moved import COUNTED, Moved
from pulpo.side import ABSENT, Fact, Removal, SideStore, Write
from pulpo.system import FileLock

__all__ = ["Journal", "OtherMoveError"]

_SPACE = "moves"
# A move on another host that has written nothing for so many seconds has ended.
_SILENCE = 30.0


class OtherMoveError(QueueError):
    """Another process moves jobs between these two queues, and two would undo each other's work."""


class Journal:
    """The fact of one move; one thread, `close` it at the end.

    `source` and `target` are the URLs. On one host a lock in the state folder keeps a second move
    away, and frees itself with the process; elsewhere the fact does, for half a minute.
    """

    def __init__(self, store: SideStore, source: str, target: str, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        #: What the move is called by, the same for the same two URLs.
        self.key = hashlib.sha256(f"{source}\n{target}".encode()).hexdigest()[:32]
        self._lock = FileLock(state_folder() / f"move-{self.key}.lock")
        self._version = ABSENT

    def open(self, moved: Moved) -> tuple[str, ...]:
        """Take the move over; return the ids that were on their way when the last one ended.

        What it had moved is added to `moved`.

        Raises `OtherMoveError` where that one still goes on, `OSError` for a state folder that
        cannot be written.
        """
        make_folder(self._lock.path.parent)
        if not self._lock.acquire(wait=False):
            raise OtherMoveError("another process of this host moves jobs between these two queues")
        found = self._store.read(_SPACE, [self.key])[0]
        ids = self._left_by(found, moved)
        self._version = ABSENT if found is None else found.version
        self.write(ids, moved)
        return ids

    def write(self, ids: Sequence[str], moved: Moved) -> None:
        """Say what was moved, and what is on its way from now on; before the first of it is put.

        Raises `OtherMoveError` where another move has begun meanwhile.
        """
        counts = {name: getattr(moved, name) for name in COUNTED}
        told = {"ids": list(ids), "host": socket.gethostname(), "at": self._clock.wall(), **counts}
        value, version = json.dumps(told).encode(), self._version
        write = Write(space=_SPACE, key=self.key, value=value, lasts=None, expected=version)
        written = self._store.write([write])[0]
        if not written.done or written.fact is None:
            raise OtherMoveError("another move between these two queues has begun")
        self._version = written.fact.version

    def close(self, *, finished: bool) -> None:
        """Leave the move; with `finished` nothing is on its way any more."""
        if finished and self._version != ABSENT:
            self._store.remove([Removal(space=_SPACE, key=self.key, expected=self._version)])
        self._store.close()
        self._lock.release()

    def _left_by(self, found: Fact | None, moved: Moved) -> tuple[str, ...]:
        if found is None:
            return ()
        told = json.loads(found.value)
        is_elsewhere = told["host"] != socket.gethostname()
        if is_elsewhere and self._clock.wall() - told["at"] < _SILENCE:
            raise OtherMoveError(f"a process on {told['host']!r} moves jobs between these queues")
        for name in COUNTED:
            setattr(moved, name, getattr(moved, name) + told[name])
        return tuple(told["ids"])
