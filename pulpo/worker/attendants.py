"""What a program lets run beside the loop in each process of a worker, as the relay of an outbox.

Begun before the first job is taken and ended after the last one. None of them touches the loop or
its queue: each has threads and connections of its own. What one raises is its own to tell of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pulpo.adapter import no_beat

__all__ = ["Attendance", "Attendant", "attend", "dismiss"]

# So long the end of a worker waits for each of them, and between two beats before it, in seconds.
_PATIENCE, _LOOK = 1.0, 0.5


class Attendance(Protocol):
    """One that runs beside one worker."""

    def wait(self, timeout: float) -> bool:
        """Wait up to so many seconds until what was there at the start is done, or can't be."""
        ...

    def stop(self, patience: float) -> None:
        """Come to an end within so many seconds; twice is once."""
        ...


class Attendant(Protocol):
    """Whoever wants to run beside each worker of an app."""

    def attend(self) -> Attendance:
        """Begin."""
        ...


def attend(
    attendants: Sequence[Attendant], *, burst: bool, beat: Callable[[], None] = no_beat
) -> list[Attendance]:
    """Let all of them begin.

    A burst ends with the last job that is ready: those that have yet to come from here are waited
    for.
    """
    begun = [attendant.attend() for attendant in attendants]
    for attendance in begun if burst else ():
        while not attendance.wait(_LOOK):
            beat()
    return begun


def dismiss(attendances: Sequence[Attendance]) -> None:
    """Let all of them end."""
    for attendance in attendances:
        attendance.stop(_PATIENCE)
