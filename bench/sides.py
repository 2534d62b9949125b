"""The two sides of every measurement, pulpo and the bare loop, with one face.

A side is opened at a place. It sends jobs, numbered, one by one or many at once, and has workers
that stamp them. How time is taken is not known here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import pulpo
from bench.bare.doors import address_of, open_bare
from bench.crew import Crew, run_embedded, run_processes, run_thread
from bench.marks import Marks
from bench.place import Place
from bench.tasks import MARKS, TYPE

__all__ = ["BareSide", "PulpoSide", "Send", "Side"]

CHUNK = 1000

Send = Callable[[int], object]


class Side(Protocol):
    """What is measured."""

    def sender(self, n: int) -> AbstractContextManager[Send]:
        """Connect; the function sends job `number` < `n` and returns when it is accepted."""
        ...

    def batches(self, start: int, n: int) -> Callable[[], None]:
        """Return a function that sends the jobs from `start`, 1,000 a call, all made ready."""
        ...

    def workers(
        self, marks: Path, *, processes: int | None, forever: bool
    ) -> AbstractContextManager[Crew]:
        """Run workers, by default as many as a user gets by default."""
        ...

    def close(self) -> None:
        """Let go of the queue."""
        ...


class PulpoSide:
    """The public API and the worker, as users have them."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._app = pulpo.Pulpo(place.url)
        self._stamp: Callable[[int], object] = _not_here

        @self._app.job(type=TYPE)
        def noop(number: int) -> None:
            self._stamp(number)

        self._noop = noop

    @contextmanager
    def sender(self, n: int) -> Iterator[Send]:  # noqa: ARG002  # the bare side needs it
        yield self._noop.delay

    def batches(self, start: int, n: int) -> Callable[[], None]:
        calls = [(number,) for number in range(start, start + n)]
        chunks = [calls[first : first + CHUNK] for first in range(0, n, CHUNK)]

        def send() -> None:
            for chunk in chunks:
                self._noop.delay_many(chunk)

        return send

    def workers(
        self, marks: Path, *, processes: int | None, forever: bool
    ) -> AbstractContextManager[Crew]:
        del forever  # a worker of pulpo always is
        if self._place.engine == "memory":
            self._stamp = Marks.open(marks).stamp
            return run_embedded(self._app.start_worker, self._place.folder / "worker.log")
        command = ["pulpo", "worker", "bench.tasks"]
        if processes is not None:
            command += ["--processes", str(processes)]
        environment = {MARKS: str(marks), "PULPO_URL": self._place.url}
        return run_processes([command], self._place.folder / "worker.log", environment)

    def close(self) -> None:
        self._app.close()


def _not_here(number: int) -> None:
    raise RuntimeError(f"job {number} was to run in a process of its own")


class BareSide:
    """The bare loops; workers take up to `size` jobs in one go."""

    def __init__(self, place: Place, *, size: int) -> None:
        self._place = place
        self._size = size
        self._address = address_of(place)
        self._door = open_bare(self._address)

    @contextmanager
    def sender(self, n: int) -> Iterator[Send]:
        bodies = [_body(number) for number in range(n)]
        with self._door.putter() as put:
            yield lambda number: put(bodies[number])

    def batches(self, start: int, n: int) -> Callable[[], None]:
        bodies = [_body(number) for number in range(start, start + n)]
        return lambda: self._door.put(bodies, CHUNK)

    def workers(
        self, marks: Path, *, processes: int | None, forever: bool
    ) -> AbstractContextManager[Crew]:
        if self._place.engine == "memory":
            return self._thread(Marks.open(marks).stamp, forever=forever)
        mode = "serve" if forever else "drain"
        command = ["bench.bare", self._address, mode, str(marks), str(self._size)]
        count = processes or os.cpu_count() or 1
        # Stopped in its last flight, a drain would give its jobs to the other process again.
        return run_processes([command] * count, self._place.folder / "bare.log", {}, stop=forever)

    def _thread(
        self, stamp: Callable[[int], object], *, forever: bool
    ) -> AbstractContextManager[Crew]:
        def run(body: bytes) -> None:
            stamp(int(body))

        work = self._door.serve if forever else self._door.drain
        last = [b""] if forever else []  # an empty body ends the thread that serves
        return run_thread(partial(work, run, self._size), partial(self._door.put, last, 1))

    def close(self) -> None:
        """Do nothing: each call has opened and closed its own connection."""


def _body(number: int) -> bytes:
    # About as long as pulpo's own message for the same job.
    return b"%-100d" % number
