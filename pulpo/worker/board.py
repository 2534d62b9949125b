"""What a worker shows of itself over HTTP: that it lives, that it is ready, and its numbers.

Answers paths with text, from what its processes have told; it opens no socket and asks no queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pulpo.worker.metering import Totals
from pulpo.worker.settings import WorkerSettings

__all__ = ["Answer", "Board", "Standing"]

_TEXT = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    """A status code, a content type and a body."""

    code: int
    type: str
    body: bytes


@dataclass(slots=True)
class Standing:
    """How one process stands; `busy` and `slots` are of threads and of coroutines."""

    is_reserving: bool = False
    busy: tuple[int, int] = (0, 0)
    events_dropped: int = 0


@dataclass
class Board:
    """The supervisor's only thread owns it; a process is known by any key."""

    settings: WorkerSettings
    totals: Totals = field(default_factory=Totals)
    processes: dict[object, Standing] = field(default_factory=dict)
    #: Jobs by queue and state, as one process has last counted them.
    depths: dict[str, dict[str, int]] = field(default_factory=dict)
    engine: str = ""
    died: int = 0
    events_dropped: int = 0
    is_stopping: bool = False

    def begins(self, process: object) -> None:
        """A process was started."""
        self.processes[process] = Standing()

    def hear(self, process: object, facts: Mapping[str, Any]) -> None:
        """Take what a process has told."""
        self.totals.add(facts)
        standing = self.processes.get(process)
        if standing is not None and "busy" in facts:
            standing.is_reserving = facts["reserving"]
            standing.busy = tuple(facts["busy"])
            self.events_dropped += facts["dropped"] - standing.events_dropped
            standing.events_dropped = facts["dropped"]
        if "depths" in facts:
            self.depths = facts["depths"]
        if "ready" in facts:
            self.engine = str(facts["ready"]["engine"])
            self.totals.expect(facts["ready"]["homes"])

    def ends(self, process: object, *, died: bool) -> None:
        """A process has ended; what it has counted stays counted."""
        self.processes.pop(process, None)
        self.died += died

    @property
    def is_ready(self) -> bool:
        """Whether some process is connected and reserves jobs, and none was told to stop."""
        return not self.is_stopping and any(p.is_reserving for p in self.processes.values())

    def answer(self, path: str) -> Answer:
        """Return what to say to somebody who gets a path."""
        if path == "/healthz":
            return Answer(200, _TEXT, b"alive\n")
        if path == "/readyz":
            if self.is_ready:
                return Answer(200, _TEXT, b"ready\n")
            return Answer(503, _TEXT, b"stopping\n" if self.is_stopping else b"not ready\n")
        if path == "/metrics":
            return self._metrics()
        return Answer(404, _TEXT, b"there are /healthz, /readyz and /metrics\n")

    def _metrics(self) -> Answer:
        try:
            from pulpo.worker.metrics import exposition  # noqa: PLC0415  # an extra
        except ImportError:
            need = b"metrics need prometheus-client: pip install 'pulpo-messaging[metrics]'\n"
            return Answer(501, _TEXT, need)
        return Answer(200, *exposition(self))
