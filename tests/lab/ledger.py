"""The ledger: what producers and handlers say happened, and whether that adds up.

Four append-only files of one folder: `attempted` (before a publish), `accepted` (after it
returned), `begun` and `done` (by the handler). A note is one write(2) of one short line with
O_APPEND, so processes that are killed in the middle of anything leave whole lines; only between two
pages of the file a kill may leave half of one. Knows nothing of queues: who audits says which jobs
still wait there.

    python -m tests.lab.ledger FOLDER [--doubled N]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Account", "Entry", "Ledger", "audit"]

KINDS = ("attempted", "accepted", "begun", "done")
_MOST_SHOWN = 5
_BEGINS = '{"id": '


@dataclass(frozen=True, slots=True)
class Entry:
    """One note: which job, when (monotonic seconds, alike in all processes), and whatever else."""

    id: str
    at: float
    pid: int
    facts: dict[str, Any]


class Ledger:
    """The four files of a folder; any process, any thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fds: dict[str, int] = {}

    def note(self, kind: str, job_id: str, **facts: object) -> None:
        """Append one line."""
        line = {"id": job_id, "at": time.monotonic(), "pid": os.getpid(), **facts}
        os.write(self._fd(kind), json.dumps(line).encode() + b"\n")

    def read(self, kind: str) -> list[Entry]:
        """Return the notes of one kind, in the order in which they were written."""
        try:
            text = self._path(kind).read_text()
        except FileNotFoundError:
            return []
        found = []
        # Whole lines: who reads while others write may see the beginning of one.
        for line in text.rpartition("\n")[0].splitlines():
            # What half a line was about has not happened; the next note stands right behind it.
            facts = json.loads(line[line.rfind(_BEGINS) :])
            found.append(Entry(facts.pop("id"), facts.pop("at"), facts.pop("pid"), facts))
        return found

    def count(self, kind: str) -> int:
        """Return how many notes of one kind there are now; cheap."""
        try:
            return self._path(kind).read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        """Let go of the files."""
        while self._fds:
            os.close(self._fds.popitem()[1])

    def _path(self, kind: str) -> Path:
        if kind not in KINDS:
            raise ValueError(f"a ledger has {', '.join(KINDS)}: {kind!r}")
        return self.folder / kind

    def _fd(self, kind: str) -> int:
        fd = self._fds.get(kind)
        if fd is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            fd = os.open(self._path(kind), flags, 0o600)
            mine = self._fds.setdefault(kind, fd)
            if mine != fd:  # another thread was faster
                os.close(fd)
            return mine
        return fd


@dataclass(frozen=True, slots=True)
class Account:
    """What an audit has found; ids, sorted. `doubled` says how often too often a job was done."""

    accepted: int
    done: int
    lost: tuple[str, ...]
    invented: tuple[str, ...]
    unsettled: tuple[str, ...]
    doubled: dict[str, int]
    begun_again: dict[str, int]

    def complaints(
        self, *, doubled: int = 0, begun_again: int | None = None, unsettled: int = 0
    ) -> list[str]:
        """Return what is wrong.

        `doubled` runs too many had to be expected, of which some may have been cut before their
        end (`begun_again`, where that is another number). `unsettled` ids may be both done and
        still in the queue: where a fault fell between a copy and the delete of the old job.
        """
        found = [
            f"{len(ids)} {what}: {', '.join(ids[:_MOST_SHOWN])}"
            for what, ids, allowed in (
                ("accepted and lost", self.lost, 0),
                ("done and never published", self.invented, 0),
                ("done and still in the queue", self.unsettled, unsettled),
            )
            if len(ids) > allowed
        ]
        begun_again = doubled if begun_again is None else begun_again
        for what, counts, allowed in (
            ("done", self.doubled, doubled),
            ("begun", self.begun_again, begun_again),
        ):
            again = sum(counts.values())
            if again > allowed:
                some = ", ".join(list(counts)[:_MOST_SHOWN])
                found.append(f"{what} again {again} times, {allowed} may be: {some}")
        return found


def audit(ledger: Ledger, *, kept: Collection[str] = ()) -> Account:
    """Compare what was published with what was run; `kept` are the ids still in the queue.

    Where a job was attempted and its producer was killed, it may be there or not.
    """
    attempted = {entry.id for entry in ledger.read("attempted")}
    accepted = {entry.id for entry in ledger.read("accepted")}
    begun = Counter(entry.id for entry in ledger.read("begun"))
    done = Counter(entry.id for entry in ledger.read("done"))
    return Account(
        accepted=len(accepted),
        done=len(done),
        lost=_sorted(accepted - done.keys() - set(kept)),
        invented=_sorted((done.keys() | begun.keys()) - attempted),
        unsettled=_sorted(done.keys() & set(kept)),
        doubled=_too_many(done),
        begun_again=_too_many(begun),
    )


def _sorted(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(ids))


def _too_many(counts: Counter[str]) -> dict[str, int]:
    return {job_id: count - 1 for job_id, count in sorted(counts.items()) if count > 1}


def main(arguments: list[str] | None = None) -> int:
    """Audit a folder whose queue is empty; 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.ledger", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--doubled", type=int, default=0, help="runs too many that may be")
    given = parser.parse_args(arguments)
    account = audit(Ledger(given.folder))
    complaints = account.complaints(doubled=given.doubled)
    again = sum(account.doubled.values())
    print(f"{account.accepted} accepted, {account.done} done, {again} done again")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
