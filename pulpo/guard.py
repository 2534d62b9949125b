"""What a job holds so that no second one is accepted beside it, and what `put` answers then.

Values only. Which guards a message asks for is said in `pulpo.guarding`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from pulpo.errors import UsageError
from pulpo.identity import check_key

if TYPE_CHECKING:
    from pulpo.job import JobId, ListedJob, NewJob

__all__ = ["Existing", "Guard", "Instead", "Until", "check_guards", "kept_guard"]

Until: TypeAlias = Literal["done", "started"] | float
Instead: TypeAlias = "Callable[[ListedJob], NewJob]"

_LONGEST_HOLD = 2.0**32  # as long as a fact can last


@dataclass(frozen=True, slots=True)
class Guard:
    """A key that one job holds, so that `put` accepts no other job with it meanwhile.

    It is held `until` the job is done (deleted or buried: buried jobs must not swallow all that
    come after them), until its first run has started, or for so many seconds from its acceptance,
    whatever becomes of it. A job that comes while its key is held is not accepted; with `instead`
    a holder that still waits becomes, in the same transaction, the job that `instead` makes of
    it: under its own id, in whatever queue that says. One that is being run stays as it is.
    """

    key: str
    until: Until = "done"
    instead: Instead | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Existing:
    """The answer of `put` for a job that was not accepted: who holds its key.

    `id` is the holder's, `queue` where it waits, or was put where it waits no more.
    """

    id: JobId
    queue: str


def check_guards(guards: Sequence[Guard]) -> None:
    """Raise `UsageError` for guards that no engine can keep.

    One of them, at most, is held until the job is done or started; any number for a time.
    """
    for guard in guards:
        check_key(guard.key)
        if guard.until in ("done", "started"):
            continue
        if type(guard.until) is not float or not 0 < guard.until < _LONGEST_HOLD:
            raise UsageError(f"a guard is held until done, started, or for seconds: {guard!r}")
    if len({guard.key for guard in guards}) < len(guards):
        raise UsageError(f"the guards of a job need keys of their own: {guards!r}")
    if sum(isinstance(guard.until, str) for guard in guards) > 1:
        raise UsageError(f"one guard of a job is held until it is done or started: {guards!r}")


def kept_guard(guards: Sequence[Guard]) -> Guard | None:
    """Return the one of them that is held until the job is done or started."""
    return next((guard for guard in guards if isinstance(guard.until, str)), None)
