"""Who publishes periodic jobs, as a worker knows it: a port, since it knows no schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from pulpo.telling.schedules import TickOutcome  # few have schedules

__all__ = ["Looked", "MakeTicker", "Ticker"]


class Looked(Protocol):
    """What one look at the schedules has come to."""

    @property
    def next(self) -> float | None:
        """When to look again, in seconds since the epoch; None where there is nothing."""
        ...


class Ticker(Protocol):
    """Whoever publishes what is due; one thread's. `say` is called with a level and a text."""

    say: Callable[[str, str], None]

    def tick(self) -> Looked:
        """Publish what is due now; never raises."""
        ...

    def note(self, outcomes: Sequence[TickOutcome], /) -> None:
        """Tell how jobs of schedules have ended."""
        ...

    def close(self) -> None:
        """Publish nothing more."""
        ...


#: Makes one from when the worker was started, and when the process was.
MakeTicker: TypeAlias = Callable[[tuple[float, float]], Ticker]
