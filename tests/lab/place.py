"""A queue, a folder and a ledger: where a whole story of producers and workers takes place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulpo.adapter import QueueAdmin
from pulpo.adapters import open_engine
from pulpo.app import Pulpo
from pulpo.cli.output import json_line
from pulpo.codec import Codec
from pulpo.job import JobState, ListedJob
from pulpo.view import show as decode
from tests.acceptance.command_line import CommandLine
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.beanstalkds import Beanstalkds
from tests.lab.ledger import Account, Ledger, audit
from tests.lab.postgresql import PostgreSQL
from tests.lab.processes import WorkerProcess, environment, until

__all__ = ["Place", "Server"]

Server = Beanstalkd | Beanstalkds | PostgreSQL

TASKS = "tests.lab.tasks"
_CODEC = Codec()


@dataclass
class Place:
    """Starts processes on one queue, and looks into it as an operator does.

    `server` is the one behind the URL, None for a file.
    """

    folder: Path
    url: str
    server: Server | None = None
    ledger: Ledger = field(init=False)
    _workers: int = 0

    def __post_init__(self) -> None:
        kept = self.folder / "ledger"
        kept.mkdir(exist_ok=True)
        self.ledger = Ledger(kept)
        self.pulpo = CommandLine(self.folder, self.url)

    def worker(self, *arguments: str, module: str = TASKS, **environ: str) -> WorkerProcess:
        """Return a worker that is to be started, with two processes if nothing else is said."""
        self._workers += 1
        if "--processes" not in arguments:
            arguments = ("--processes", "2", *arguments)
        return WorkerProcess(
            self.folder,
            (module, *arguments),
            environment(self.url, self.ledger.folder, **environ),
            self.folder / f"worker-{self._workers}.log",
        )

    def produce(self, processes: int, count: int, *options: str) -> list[subprocess.Popen[str]]:
        """Start producers of `count` jobs each."""
        return [
            subprocess.Popen(
                [sys.executable, "-m", "tests.lab.producer", str(count), *options],
                cwd=self.folder,
                env=environment(self.url, self.ledger.folder),
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(processes)
        ]

    def published(
        self, producers: list[subprocess.Popen[str]], *, patience: float = 60.0
    ) -> list[dict[str, Any]]:
        """Wait for producers; return what each has to say."""
        said = []
        for producer in producers:
            out, _ = producer.communicate(timeout=patience)
            assert producer.returncode == 0, "a producer met an error that is not documented"
            said.append(json.loads(out))
        return said

    def app(self) -> Pulpo:
        """Return a producer in this process; the caller closes it."""
        return Pulpo(self.url)

    def stats(self, queue: str = "default") -> dict[str, Any]:
        """Return the counts of a queue, as `pulpo stats --json` tells them."""
        with self._admin() as admin:
            found = admin.stats(queue)
        counts = {state.value: getattr(found, state.value) for state in JobState}
        return {**counts, "paused": found.paused}

    def waiting(self) -> list[dict[str, Any]]:
        """Return every job that is in the queue, as `pulpo jobs list --json` tells it."""
        with self._admin() as admin:
            return [_told(job) for job in admin.list(limit=100_000)]

    def show(self, job_id: str) -> dict[str, Any]:
        """Return one job, as `pulpo jobs show --json` tells it."""
        with self._admin() as admin:
            (job,) = admin.peek([job_id])
        assert job is not None, f"no job {job_id}"
        return _told(job)

    @contextmanager
    def _admin(self) -> Iterator[QueueAdmin]:
        # Each look on its own, in this process: commands would keep a core busy, and a server that
        # is asked is one that may have been killed meanwhile.
        admin = open_engine(self.url).admin()
        try:
            yield admin
        finally:
            admin.close()

    def wait_for(self, kind: str, count: int, *, patience: float = 30.0) -> None:
        """Wait until so many notes of a kind are in the ledger."""
        until(
            lambda: self.ledger.count(kind) >= count,
            f"{count} {kind}; there are {self.ledger.count(kind)}",
            patience=patience,
            # To count means to read it all.
            pause=max(0.01, count / 500_000),
        )

    def wait_until_all_done(self, *, patience: float = 30.0) -> None:
        """Wait until every accepted job is done and the queue knows nothing of it any more."""
        wanted = {entry.id for entry in self.ledger.read("accepted")}
        # Whom so few runs cannot have served need not be looked for.
        self.wait_for("done", len(wanted), patience=patience)
        until(
            lambda: wanted <= {entry.id for entry in self.ledger.read("done")},
            f"all of {len(wanted)} jobs done; {self.ledger.count('done')} runs are",
            patience=patience,
            pause=max(0.05, len(wanted) / 25_000),
        )

    def wait_until_empty(self, *, patience: float = 30.0) -> None:
        """Wait until nothing is in the queue but what is buried."""
        states = ("ready", "delayed", "reserved")
        until(
            lambda: not any(self.stats()[state] for state in states),
            "an empty queue",
            patience=patience,
            pause=0.1,
        )

    def account(self, *, kept: Collection[str] = ()) -> Account:
        """Return the audit of this place's ledger."""
        return audit(self.ledger, kept=kept)


def _told(job: ListedJob) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json_line(decode(job, _CODEC).as_json()))
    return told
