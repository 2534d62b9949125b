"""A mutant: a patch that brings a known bug into pulpo, and the tests that should see it.

A patch begins with a sentence, and lines `Caught-by:` with the arguments of pytest that run those
tests. Git skips both. Knows nothing of running.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mutant", "all_mutants", "apply_command"]

_CAUGHT_BY = "Caught-by: "


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug. `caught_by` are arguments of pytest, a run of it for each item."""

    name: str
    says: str
    caught_by: tuple[tuple[str, ...], ...]
    patch: Path


def all_mutants() -> list[Mutant]:
    """Return the mutants of this folder, by name."""
    return [_read(path) for path in sorted(Path(__file__).parent.glob("*.patch"))]


def apply_command(mutant: Mutant, *options: str) -> list[str]:
    """Return the command that applies a patch in the current folder."""
    return ["git", "apply", *options, str(mutant.patch)]


def _read(path: Path) -> Mutant:
    header = list(_header(path))
    says = " ".join(line for line in header if line and not line.startswith(_CAUGHT_BY))
    caught_by = [
        tuple(shlex.split(line.removeprefix(_CAUGHT_BY)))
        for line in header
        if line.startswith(_CAUGHT_BY)
    ]
    return Mutant(path.stem, says, tuple(caught_by), path)


def _header(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("diff --git "):
            return
        yield line
