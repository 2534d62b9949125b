"""How many runs there were at once, by the real time of the notes in a ledger.

Knows no limit and no worker: who has killed processes says when.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.lab.ledger import Entry, Ledger

__all__ = ["SLOTS", "most_at_once"]

#: How many of `tests.lab.limited` may run at once.
SLOTS = 3


def most_at_once(ledger: Ledger, killed: Mapping[int, float]) -> int:
    """Return how many runs of `tests.lab.limited` there were at once, at most.

    `killed` says when which process was killed, in monotonic seconds: runs of it, and of its
    children, are taken to end right then. So nothing is counted that was not so.
    """
    left = {_run(entry): entry.at for entry in ledger.read("done")}
    moments: list[tuple[float, int]] = []
    for entry in ledger.read("begun"):
        parent = entry.facts.get("parent")
        if parent is None:
            continue  # of another type, without a limit
        end = left.get(_run(entry), killed.get(entry.pid, killed.get(parent)))
        if end is None:
            raise AssertionError(f"a run of {entry.id} has neither ended nor been killed")
        moments += [(entry.at, 1), (max(end, entry.at), -1)]
    inside = most = 0
    for _, step in sorted(moments):
        inside += step
        most = max(most, inside)
    return most


def _run(entry: Entry) -> tuple[str, int, int]:
    return entry.id, entry.pid, entry.facts["attempt"]
