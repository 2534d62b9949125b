"""The bare loops as they are measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from bench.bare.doors import address_of, first_put, open_bare
from bench.crew import Crew, run_processes, run_thread
from bench.jobs import NOOP
from bench.marks import Marks
from bench.place import Place
from bench.sides import CHUNK, Send, Staff

__all__ = ["BareSide", "body_of"]


class BareSide:
    """A queue without any library; workers take up to `size` jobs in one go."""

    def __init__(self, place: Place, *, size: int) -> None:
        self._place = place
        self._size = size
        self._address = address_of(place)
        self._door = open_bare(self._address)

    @contextmanager
    def sender(
        self,
        n: int,
        *,
        job: str = NOOP,  # noqa: ARG002  # a bare job is a number, whatever runs it
        urgent: bool = False,
    ) -> Iterator[Send]:
        if urgent:
            raise NotImplementedError("the bare loops know one priority")
        bodies = [body_of(number) for number in range(n)]
        with self._door.putter() as put:
            yield lambda number: put(bodies[number])

    def batches(
        self,
        start: int,
        n: int,
        *,
        job: str = NOOP,  # noqa: ARG002
        delay: float = 0,
    ) -> Callable[[], None]:
        bodies = [body_of(number) for number in range(start, start + n)]
        return lambda: self._door.put(bodies, CHUNK, delay)

    def workers(self, marks: Path, staff: Staff) -> AbstractContextManager[Crew]:
        if self._place.engine == "memory":
            return self._thread(Marks.open(marks).stamp, forever=staff.forever)
        mode = staff.job
        if mode == NOOP:
            mode = "serve" if staff.forever else "drain"
        size = staff.slots or self._size
        count = staff.processes or os.cpu_count() or 1
        command = ["bench.bare", self._address, mode, str(marks), str(size), str(count)]
        # Stopped in its last flight, a drain would give its jobs to the other process again.
        stop = mode == "serve"
        return run_processes([command], self._place.folder / "bare.log", {}, stop=stop)

    def _thread(
        self, stamp: Callable[[int], object], *, forever: bool
    ) -> AbstractContextManager[Crew]:
        def run(body: bytes) -> None:
            stamp(int(body))

        work = self._door.serve if forever else self._door.drain
        last = [b""] if forever else []  # an empty body ends the thread that serves
        return run_thread(partial(work, run, self._size), partial(self._door.put, last, 1))

    def producer(self) -> tuple[str, str]:
        return "bare", self._address

    def first_put(self, *, decorated: bool) -> str:
        del decorated  # there is nothing to decorate
        return first_put(self._address)

    def close(self) -> None:
        """Do nothing: each call has opened and closed its own connection."""


def body_of(number: int) -> bytes:
    """Return a body about as long as pulpo's own message for the same job."""
    return b"%-100d" % number
