"""What the slots of this process run at this moment, with their stacks: for whoever looks at it.

Looks from another thread at what the pools do, and stops nobody for it. Says nothing to anybody.
"""

from __future__ import annotations

import sys
import traceback
from types import CoroutineType, FrameType
from typing import TYPE_CHECKING, NamedTuple

from pulpo.clock import Clock
from pulpo.run import Run
from pulpo.telling import RunningJob
from pulpo.worker.coroutines import CoroutinePool
from pulpo.worker.threads import ThreadPool

if TYPE_CHECKING:
    import asyncio

__all__ = ["Slot", "Slots"]


class Slot(NamedTuple):
    """A busy slot: its name, its run, and the thread or the task that runs it."""

    name: str
    run: Run
    place: int | asyncio.Task[None] | None


class Slots:
    """The busy slots of one worker process; any thread."""

    def __init__(self, threads: ThreadPool, coroutines: CoroutinePool, clock: Clock) -> None:
        self._threads = threads
        self._coroutines = coroutines
        self._clock = clock

    def busy(self) -> list[Slot]:
        """Return what runs now, given up or not: the longest first."""
        slots = [
            Slot(f"thread-{number}", run, ident)
            for number, ident, run in self._threads.at_work()
            if run.started
        ]
        slots += [
            Slot("async", run, task) for run, task in self._coroutines.at_work() if run.started
        ]
        return sorted(slots, key=lambda slot: slot.run.started)

    def describe(self, slot: Slot) -> RunningJob:
        """Say what runs in a slot, and for how long."""
        run = slot.run
        return RunningJob(
            slot=slot.name,
            id=run.id,
            type=run.type,
            queue=run.queue,
            attempt=run.attempt,
            seconds=round(max(self._clock.monotonic() - run.started, 0.0), 3),
            timeout=run.job_type.timeout,
            alone=run.isolated,
        )

    def stack(self, slot: Slot) -> str:
        """Return where a slot is in its handler, the innermost call last; "" if it has ended."""
        try:
            return self._stack(slot)
        except Exception as error:  # noqa: BLE001  # the user's own loaders are asked for lines
            return f"(its stack cannot be read: {type(error).__name__})"

    def _stack(self, slot: Slot) -> str:
        place = slot.place
        if isinstance(place, int):
            frames = _from_handler(_frames(sys._current_frames().get(place)))  # noqa: SLF001
        else:
            frames = [] if place is None else _frames_of_task(place, self._coroutines.ident)
        lines = traceback.StackSummary.extract((frame, frame.f_lineno) for frame in frames)
        return "".join(lines.format()).rstrip()


def _frames(innermost: FrameType | None) -> list[FrameType]:
    """Return a stack, the outermost call first."""
    found: list[FrameType] = []
    while innermost is not None:
        found.append(innermost)
        innermost = innermost.f_back
    return found[::-1]


def _from_handler(frames: list[FrameType]) -> list[FrameType]:
    """Leave out the calls that lead to every handler; nothing is left where all are pulpo's."""
    own = [place for place, frame in enumerate(frames) if _is_execute(frame)]
    return frames[own[-1] + 1 :] if own else []


def _is_execute(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == "pulpo.worker.execute"


def _frames_of_task(task: asyncio.Task[None], thread: int) -> list[FrameType]:
    """Return where a coroutine waits; or, if it is the one at work, where its thread is."""
    found: list[FrameType] = []
    awaited: object = task.get_coro()
    while isinstance(awaited, CoroutineType):
        if awaited.cr_running:
            return _from_handler(_frames(sys._current_frames().get(thread)))  # noqa: SLF001
        frame = awaited.cr_frame
        if frame is not None:
            found.append(frame)
        awaited = awaited.cr_await
    return _from_handler(found)
