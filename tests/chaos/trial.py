"""One run of a row: a folder, an engine, a seed, figures; what happened, and what is wrong.

    def act(trial: Trial) -> None:
        place = trial.place()
        with place.worker() as worker:
            ...
            trial.count("kills")
        trial.audit(place, doubled=trial.counted["kills"] * THREADS)
        trial.must(place.stats()["buried"] == 0, "nothing is buried")

An assertion that fails anywhere ends the trial and is its complaint; `must` and `audit` note theirs
and go on. Knows nothing of any fault.
"""

from __future__ import annotations

import random
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.row import Row
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.beanstalkds import Beanstalkds
from tests.lab.late_unlink import late_unlink
from tests.lab.place import Place, Server
from tests.lab.postgresql import PostgreSQL

__all__ = ["Result", "Trial", "perform"]

_SHARDS = 3


class Trial:
    """What a row is given to act on. Everything it opens by `stack` ends with it."""

    def __init__(
        self, folder: Path, engine: str, seed: int, figures: Mapping[str, int], stack: ExitStack
    ) -> None:
        self.folder = folder
        self.engine = engine
        self.seed = seed
        #: All chance comes from here, so that a seed repeats the choice of faults.
        self.chosen = random.Random(seed)
        self.figures = figures
        self.stack = stack
        #: What happened, by name, for the table.
        self.counted: Counter[str] = Counter()
        self.complaints: list[str] = []

    def server(self, *flags: str, binlog: bool = True) -> Beanstalkd:
        """Start a beanstalkd of the trial's own; `-f0` where nothing else is said.

        It does not lose what it moves when it is killed: see `tests.lab.late_unlink`.
        """
        given = flags or ("-f0",)
        folder = self.folder / "binlog" if binlog else None
        server = Beanstalkd(*given, binlog=folder, environ=late_unlink())
        return self.stack.enter_context(server)

    def servers(self, *flags: str) -> Beanstalkds:
        """Start three beanstalkds that are one queue, each as `server` starts it."""
        folder = self.folder / "binlogs"
        given = flags or ("-f0",)
        servers = Beanstalkds(_SHARDS, *given, binlogs=folder, environ=late_unlink())
        return self.stack.enter_context(servers)

    @property
    def on_beanstalkd(self) -> bool:
        """Whether the queue is on one beanstalkd, or on several."""
        return self.engine.startswith("beanstalkd")

    def place(self, *flags: str, query: str = "") -> Place:
        """Return a place on the trial's engine, with a server of its own where it needs one.

        `flags` are beanstalkd's, `query` the options of the URL, as `?sync=normal`.
        """
        if self.engine == "beanstalkd":
            server = self.server(*flags)
            return self.place_at(server.url + query, server)
        if self.engine == "beanstalkds":
            servers = self.servers(*flags)
            return self.place_at(servers.url + query, servers)
        if self.engine == "postgresql":
            database = self.stack.enter_context(PostgreSQL(synced=True))
            return self.place_at(f"{database.url}?create=1{query.replace('?', '&')}", database)
        return self.place_at(f"sqlite:///{self.folder}/queue.db{query}")

    def place_at(self, url: str, server: Server | None = None) -> Place:
        """Return a place on any queue, in the trial's folder."""
        place = Place(self.folder, url, server)
        self.stack.callback(place.ledger.close)
        return place

    def count(self, what: str, times: int = 1) -> None:
        """Count something for the table."""
        self.counted[what] += times

    def must(self, holds: object, what: str) -> None:
        """Note a complaint where something does not hold; go on."""
        if not holds:
            self.complaints.append(what)

    def audit(
        self,
        place: Place,
        *,
        doubled: int = 0,
        begun_again: int | None = None,
        cut_copies: int = 0,
    ) -> None:
        """Compare the ledger with the queue: nothing lost, nothing invented, no run too many.

        `doubled` runs may have happened a second time; `begun_again`, where it is given, counts
        those that were cut before their end as well. `cut_copies` ids may be both done and still
        in the queue: where a fault fell between a copy and the delete of the old job.
        """
        account = place.account(kept=[job["id"] for job in place.waiting()])
        self.count("accepted", account.accepted)
        self.count("done again", sum(account.doubled.values()))
        self.count("begun again", sum(account.begun_again.values()))
        self.count("in two states", len(account.unsettled))
        self.complaints += account.complaints(
            doubled=doubled, begun_again=begun_again, unsettled=cut_copies
        )


@dataclass(frozen=True, slots=True)
class Result:
    """How a trial went: well where there is no complaint."""

    row: Row
    engine: str
    seed: int
    seconds: float
    counted: Mapping[str, int]
    complaints: tuple[str, ...]


def perform(
    row: Row, engine: str, figures: Mapping[str, int], *, seed: int, folder: Path
) -> Result:
    """Run a row once; whatever goes wrong is in the result."""
    started = time.monotonic()
    stack = ExitStack()
    trial = Trial(folder, engine, seed, figures, stack)
    try:
        with stack:
            row.act(trial)
    except Exception as error:
        trial.complaints.append(f"{type(error).__name__}: {error}")
        (folder / "failure.txt").write_text(traceback.format_exc())
    seconds = time.monotonic() - started
    return Result(row, engine, seed, seconds, dict(trial.counted), tuple(trial.complaints))
