"""How many runs ended how, and how long they took: counted once, by the loop, for all who ask.

They are the chores, which write it beside the queue, and the reporter of a worker that is watched
over HTTP. In memory only, under a lock that is taken once a tick. What a type is called is a
stranger's word: those that this code does not know are one type, or they could fill a disk.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from enum import Enum

from pulpo.identity import published_at
from pulpo.run import Run
from pulpo.telling import BOUNDS, MinuteCount
from pulpo.worker.decide import SUCCESS, Verdict

__all__ = ["OTHERS", "Reader", "Tally"]

#: What jobs are counted under for whose queue and type there is no room.
OTHERS = "(others)"
_MOST_NAMES = 1_000
# Of a reader who does not come by: its thread could not be started, say.
_MOST_WAITING = 2_000
_SHORT = BOUNDS[0]


class Reader(Enum):
    """Who fetches what was counted."""

    SIDE = "side"
    HTTP = "http"


class _Cell:
    """What is counted under one queue, type and outcome."""

    __slots__ = ("jobs", "name", "runtimes", "seconds", "waited", "waits")

    def __init__(self, name: tuple[str, str, str]) -> None:
        self.name = name
        self.jobs = 0
        self.seconds = self.waited = 0.0
        self.runtimes = [0] * (len(BOUNDS) + 1)
        self.waits = [0] * (len(BOUNDS) + 1)


_NO_CELL = _Cell(("", "", ""))


class Tally:
    """What has ended since each reader last asked: one thread counts, others fetch."""

    def __init__(self, *readers: Reader) -> None:
        self._waiting: dict[Reader, list[MinuteCount]] = {reader: [] for reader in readers}
        self._lock = threading.Lock()
        self._cells: dict[tuple[str, str, str], _Cell] = {}
        self._names: set[tuple[str, str]] = set()

    def count(self, ended: Sequence[tuple[Run, Verdict, float]]) -> None:
        """Count runs: how each ended, and how many seconds it took."""
        cell = _NO_CELL
        queue = type = ""
        before: Verdict | None = None
        with self._lock:
            for run, verdict, seconds in ended:
                # Nearly always one as the one before, and then there is nothing to look up.
                if verdict is not before or run.type != type or run.queue != queue:
                    queue, type, before = run.queue, run.type, verdict
                    cell = self._find(run, verdict)
                cell.jobs += 1
                if run.started or run.isolated:
                    cell.seconds += seconds
                    if seconds <= _SHORT:
                        cell.runtimes[0] += 1
                    else:
                        cell.runtimes[bisect_left(BOUNDS, seconds)] += 1
            if ended:
                # Of one in each tick only: its id is a text to be read.
                self._note_wait(cell, ended[-1][0])

    @property
    def is_read(self) -> bool:
        """Whether anybody asks; else nothing need be counted."""
        return bool(self._waiting)

    def fetch(self, reader: Reader, wall: float) -> list[MinuteCount]:
        """Return what was counted since the reader's last call; any thread.

        Counts are of the minute of `wall` at which the first of the readers came by.
        """
        with self._lock:
            cells, self._cells = self._cells, {}
            minute = int(wall // 60) * 60
            # Two names may lead to one cell, that of all others.
            each = {id(cell): cell for cell in cells.values()}.values()
            new = [_as_count(cell, minute) for cell in each]
            for waiting in self._waiting.values():
                waiting += new
                del waiting[:-_MOST_WAITING]
            found, self._waiting[reader] = self._waiting[reader], []
        return found

    def _find(self, run: Run, verdict: Verdict) -> _Cell:
        outcome = "success" if verdict is SUCCESS else verdict.ending.value
        key = (run.queue, run.type, outcome)
        cell = self._cells.get(key)
        if cell is None:
            name = (*self._name(run), outcome)
            cell = self._cells[key] = self._cells.setdefault(name, _Cell(name))
        return cell

    def _name(self, run: Run) -> tuple[str, str]:
        # Its own name, not an alias; of what no code here knows, the one that all of it shares.
        name = (run.queue, run.job_type.type)
        if name in self._names:
            return name
        if len(self._names) >= _MOST_NAMES:
            return (OTHERS, OTHERS)
        self._names.add(name)
        return name

    def _note_wait(self, cell: _Cell, run: Run) -> None:
        if run.attempt > 1 or not run.started or "due" in run.envelope.headers:
            return
        published = published_at(run.id)
        if published is not None:
            waited = max(run.started_at - published, 0.0)
            cell.waited += waited
            cell.waits[bisect_left(BOUNDS, waited)] += 1


def _as_count(cell: _Cell, minute: int) -> MinuteCount:
    queue, type, outcome = cell.name
    return MinuteCount(
        minute=minute,
        queue=queue,
        type=type,
        outcome=outcome,
        jobs=cell.jobs,
        seconds=cell.seconds,
        runtimes=tuple(cell.runtimes),
        waited=cell.waited,
        waits=tuple(cell.waits),
    )
