"""What is known of a task's runs beside the queue: when it ran, where, and what it returned.

A fact in the queue's side store for each task that has begun, for a day or so. It is telling: when
the store is out of reach a result is not known, and no job waits for that. The queue itself says
whether a job waits, runs or is buried.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import weakref
from dataclasses import asdict, dataclass, field, fields, replace

from pulpo.adapter import Engine
from pulpo.errors import QueueError
from pulpo.side import MOST_VALUE_BYTES, SideStore, Write, side_of

__all__ = ["Stories", "Story"]

logger = logging.getLogger("pulpo.django")

_SPACE = "django.results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The runs of one task. Moments are seconds since the epoch.

    `errors` has an exception's class path and its traceback for each run that failed.
    """

    path: str
    backend: str
    queue: str
    priority: int
    run_after: float | None = None
    args: list[object] = field(default_factory=list)
    kwargs: dict[str, object] = field(default_factory=dict)
    status: str
    started: float
    attempted: float
    finished: float | None = None
    workers: list[str] = field(default_factory=list)
    errors: list[list[str]] = field(default_factory=list)
    value: object = None

    def as_bytes(self) -> bytes:
        """Return the story as JSON."""
        return json.dumps(asdict(self)).encode()


class _Door:
    """A thread's way to the store; closed when the thread ends, by `threading.local`."""

    def __init__(self, store: SideStore | None) -> None:
        self.store = store
        self.pid = os.getpid()
        finalizer = weakref.finalize(self, _close, store, self.pid)
        finalizer.atexit = False  # a daemon thread may still be in the middle of something


def _close(store: SideStore | None, pid: int) -> None:
    # What a fork has copied is the parent's.
    if store is not None and pid == os.getpid():
        store.close()


class Stories:
    """The stories of one queue; any thread may ask, each has a store of its own."""

    def __init__(self, engine: Engine, *, lasts: float) -> None:
        self._engine = engine
        self._lasts = lasts
        self._local = threading.local()

    @property
    def is_whole(self) -> bool:
        """Whether any process that uses the queue reads what another one has written."""
        store = self._store()
        return store is not None and store.is_whole

    def _store(self) -> SideStore | None:
        door: _Door | None = getattr(self._local, "door", None)
        if door is None or door.pid != os.getpid():
            door = self._local.door = _Door(side_of(self._engine))
        return door.store

    def read(self, id: str) -> Story | None:
        """Return the story of a task; raises `QueueError` where the store is out of reach."""
        store = self._store()
        fact = None if store is None else store.read(_SPACE, [id])[0]
        if fact is None:
            return None
        known = {field.name for field in fields(Story)}  # a newer pulpo may say more
        said = json.loads(fact.value)
        return Story(**{name: value for name, value in said.items() if name in known})

    def read_or_none(self, id: str) -> Story | None:
        """Like `read`; None where the store is out of reach."""
        try:
            return self.read(id)
        except QueueError:
            return None

    def write(self, id: str, story: Story) -> None:
        """Keep a story; where that fails it is logged, and the task goes on.

        One that is too long loses arguments and tracebacks. Raises `ValueError` where the value
        that was returned is too large by itself.
        """
        data = story.as_bytes()
        if len(data) > MOST_VALUE_BYTES:
            bare = replace(
                story, args=[], kwargs={}, errors=[[path, ""] for path, _ in story.errors]
            )
            data = bare.as_bytes()
        if len(data) > MOST_VALUE_BYTES:
            raise ValueError(f"what the task returned has more than {MOST_VALUE_BYTES} bytes")
        try:
            store = self._store()
            if store is not None:
                store.write([Write(space=_SPACE, key=id, value=data, lasts=self._lasts)])
        except QueueError as error:
            logger.warning("the result of task %s is not kept: %s", id, error)
