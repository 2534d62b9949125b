"""Several servers that are one queue: each is a line of its own, and over the lines goes urgency.

Pure. Knows which job lies in which line, because it is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from tests.model.entries import Entry

__all__ = ["apart", "compare_urgency", "merged"]


def apart(entries: Sequence[Entry], line_of: Mapping[str, int]) -> Iterator[Sequence[Entry]]:
    """Yield the jobs of each line in their order; all at once where there is one line."""
    for line in sorted({line_of.get(entry.new.id, 0) for entry in entries}):
        yield [entry for entry in entries if line_of.get(entry.new.id, 0) == line]


def merged(
    entries: Sequence[Entry], shown: Sequence[str], line_of: Mapping[str, int]
) -> list[Entry]:
    """Return the jobs in the order in which they are shown, but those of each line in its own."""
    lines = {line_of.get(own[0].new.id, 0): iter(own) for own in apart(entries, line_of)}
    found = [next(lines.get(line_of[job], iter(())), None) for job in shown]
    return [entry for entry in found if entry is not None]


def compare_urgency(
    ready: Sequence[Entry], brought: Sequence[bytes], waiting: Collection[int]
) -> None:
    """Fail unless what all lines have brought goes by priority.

    `brought` are the bodies; `waiting` the births of those that were there for a moment already:
    what has just become ready may be passed over by what is less urgent.
    """
    left = {entry.new.body: entry for entry in ready}
    priorities = [left.pop(body).new.priority for body in brought if body in left]
    assert priorities == sorted(priorities), f"handed out by priority {priorities}"
    for entry in left.values():
        if priorities and entry.birth in waiting:
            assert entry.new.priority >= priorities[-1], f"{entry.new.id} was more urgent"
