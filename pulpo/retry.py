"""When a failed job runs again, and when it has failed for good.

Pure: no clock, no randomness; who asks supplies the spread. What an outcome does to the queue is
decided in `pulpo.worker.decide`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pulpo.duration import Duration, seconds
from pulpo.errors import FatalError, TransientError, UsageError, WrongTypeError

__all__ = ["Backoff", "RetryPolicy", "check_retries", "default_backoff", "spoken_backoff"]

Backoff: TypeAlias = Duration | Sequence[Duration] | Callable[[int, BaseException], Duration]
Errors: TypeAlias = tuple[type[BaseException], ...]

LONGEST_BACKOFF = 86_400.0
JITTER = 0.1


def default_backoff(failures: int) -> float:
    """Return the seconds after the n-th failure where nothing else is said: n**4 + 15."""
    return float(min(failures, 1_000) ** 4 + 15)  # the cap of a day is put on every backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The rules of one job type.

    `retries` counts the runs after the first. `backoff` is a number b of seconds, for
    b * 2**(n-1) after the n-th failure; a list, whose last entry repeats; or a function of the
    number of failures and the error. Errors in `fatal` bury, then errors in `transient` retry,
    all others bury.
    """

    retries: int = 20
    backoff: Backoff | None = None
    transient: Errors = (Exception,)
    fatal: Errors = ()

    def __post_init__(self) -> None:
        check_retries(self.retries)
        object.__setattr__(self, "transient", _error_types(self.transient, "transient"))
        object.__setattr__(self, "fatal", _error_types(self.fatal, "fatal"))
        _check_backoff(self.backoff)

    def is_transient(self, error: BaseException) -> bool:
        """Tell whether a run that ended with this error may be tried again."""
        # Of its type: an object may lie about its class, or raise when it is asked.
        kind = type(error)
        if issubclass(kind, (FatalError, *self.fatal)):
            return False
        return issubclass(kind, (TransientError, *self.transient))

    def allows(self, failures: int) -> bool:
        """Tell whether a job that has now failed so often may run again."""
        return failures <= self.retries

    def delay(self, failures: int, error: BaseException, *, spread: float) -> float:
        """Return the seconds to wait after the n-th failure; `spread` is -1.0 to 1.0."""
        return min(self._base(failures, error) * (1 + JITTER * spread), LONGEST_BACKOFF)

    def _base(self, failures: int, error: BaseException) -> float:
        backoff = self.backoff
        if backoff is None:
            return default_backoff(failures)
        if callable(backoff):
            return seconds(backoff(failures, error), "backoff")
        if isinstance(backoff, Sequence) and not isinstance(backoff, str):
            return seconds(backoff[min(failures, len(backoff)) - 1], "backoff")
        # 2**63 seconds is beyond every cap; without the bound, 2**failures grows without end.
        return seconds(backoff, "backoff") * 2.0 ** min(failures - 1, 63)


def _error_types(value: object, name: str) -> Errors:
    found = value if isinstance(value, tuple | list) else (value,)
    for item in found:
        if not isinstance(item, type) or not issubclass(item, BaseException):
            raise WrongTypeError(f"{name} must be exception classes: {item!r}")
    return tuple(found)


def spoken_backoff(backoff: Backoff) -> float | list[float]:
    """Return a backoff as it travels with a job: seconds, or a list of them.

    Raises `WrongTypeError` for a function, which cannot travel.
    """
    if callable(backoff):
        raise WrongTypeError(
            "backoff for one job must be seconds or a list of them; a function belongs to the "
            f"job type: {backoff!r}"
        )
    _check_backoff(backoff)
    if isinstance(backoff, Sequence) and not isinstance(backoff, str):
        return [seconds(delay, "backoff") for delay in backoff]
    return seconds(backoff, "backoff")


def check_retries(retries: object) -> int:
    """Return the number of runs after the first, or say what is wrong with it."""
    if isinstance(retries, bool) or not isinstance(retries, int):
        raise WrongTypeError(f"retries must be a whole number: {retries!r}")
    if not 0 <= retries < 2**31:
        raise UsageError(f"retries must be 0 to {2**31 - 1}: {retries!r}")
    return retries


def _check_backoff(backoff: object) -> None:
    if backoff is None or callable(backoff):
        return
    if isinstance(backoff, Sequence) and not isinstance(backoff, str):
        if not backoff:
            raise UsageError("backoff must name at least one delay: []")
        for item in backoff:
            seconds(item, "backoff")
        return
    seconds(backoff, "backoff")  # type: ignore[arg-type]  # says itself what is wrong
