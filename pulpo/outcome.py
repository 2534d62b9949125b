"""What a handler says became of its job, as values to return.

What pulpo makes of them is decided in `pulpo.worker.decide`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from pulpo.duration import Duration, seconds
from pulpo.errors import WrongTypeError

__all__ = ["Bury", "Cancel", "Outcome", "Retry", "Snooze", "Success"]


@dataclass(frozen=True, slots=True)
class Success:
    """The work is done: the job is deleted. Returning anything else, or nothing, is the same."""

    value: object = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Run the job again, after `delay` or by its backoff; spends an attempt."""

    delay: Duration | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.delay is not None:
            seconds(self.delay, "delay")
        _check_reason(self.reason)


@dataclass(frozen=True, slots=True)
class Snooze:
    """Not now: run the job again after `delay`; spends no attempt."""

    delay: Duration

    def __post_init__(self) -> None:
        seconds(self.delay, "delay")


@dataclass(frozen=True, slots=True)
class Bury:
    """Put the job aside for a person to look at."""

    reason: str = ""

    def __post_init__(self) -> None:
        _check_reason(self.reason)


@dataclass(frozen=True, slots=True)
class Cancel:
    """The work is no longer wanted: the job is deleted, and counted as cancelled."""

    reason: str = ""

    def __post_init__(self) -> None:
        _check_reason(self.reason)


Outcome: TypeAlias = Success | Retry | Snooze | Bury | Cancel


def _check_reason(reason: object) -> None:
    if not isinstance(reason, str):
        raise WrongTypeError(f"reason must be text: {reason!r}")
