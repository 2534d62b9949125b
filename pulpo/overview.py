"""How it all stands at one moment: queues and their rates, slots in use, types by time and failure.

Pure: from counts that somebody else has read. Knows no terminal and no page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pulpo.job import QueueStats
from pulpo.telling import MinuteCount, SeenWorker, merged, quantile
from pulpo.telling.told import rate_of

__all__ = ["LATELY", "Overview", "QueueLine", "TypeLine", "overview"]

#: Seconds over which types are judged.
LATELY = 600.0
_FAILED = ("retried", "buried")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One queue; `rate` is how many of its jobs are done a second, None without any of late."""

    stats: QueueStats
    rate: float | None
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeLine:
    """One job type over the last minutes; times in seconds, None where nothing has run."""

    type: str
    runs: int
    failed: int
    median: float | None
    slow: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """`busy` of `slots` are in use in `processes` worker processes; the slowest types come first.

    `is_whole` is False where workers of other hosts are not known.
    """

    queues: Sequence[QueueLine]
    types: Sequence[TypeLine]
    processes: int
    busy: int
    slots: int
    is_whole: bool = True

    @property
    def failing(self) -> Sequence[TypeLine]:
        """The types that fail, the one with most failures first."""
        found = [line for line in self.types if line.failed]
        return sorted(found, key=lambda line: (-line.failed, line.type))


def overview(
    counted: Iterable[QueueStats],
    workers: Sequence[SeenWorker],
    counts: Sequence[MinuteCount],
    *,
    now: float,
    is_whole: bool = True,
) -> Overview:
    """Put together what was read; `counts` are those of the last `LATELY` seconds."""
    return Overview(
        queues=[
            QueueLine(
                stats=stats,
                rate=rate_of(counts, stats.queue, now=now),
                workers=sum(worker.serves(stats.queue) for worker in workers),
            )
            for stats in counted
        ],
        types=sorted(_types(counts), key=lambda line: (-(line.slow or 0.0), line.type)),
        processes=len(workers),
        busy=sum(worker.busy for worker in workers),
        slots=sum(worker.threads + worker.async_slots for worker in workers),
        is_whole=is_whole,
    )


def _types(counts: Sequence[MinuteCount]) -> list[TypeLine]:
    failed: Mapping[str, int] = {
        count.type: count.jobs
        for count in merged((c for c in counts if c.outcome in _FAILED), ("type",))
    }
    return [
        TypeLine(
            type=count.type,
            runs=sum(count.runtimes),
            failed=failed.get(count.type, 0),
            median=quantile(count.runtimes, 0.5),
            slow=quantile(count.runtimes, 0.95),
        )
        for count in merged(counts, ("type",))
    ]
