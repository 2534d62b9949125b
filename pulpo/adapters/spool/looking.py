"""How much is in a spool: a look from outside, which changes nothing and needs no queue."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pulpo.adapters.spool.names import REFUSED, is_job

__all__ = ["SpoolStats", "look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolStats:
    """What waits in a spool: how many jobs, their bytes, and the age of the oldest in seconds.

    `refused` counts the files put aside: the queue takes them never, or they cannot be read.
    """

    jobs: int = 0
    bytes: int = 0
    oldest: float | None = None
    refused: int = 0


def look(folder: Path, now: float) -> SpoolStats:
    """Count what is in a spool at the second `now` since the epoch; zeros where there is none.

    Takes time with the number of files. Raises `OSError` where the folder cannot be read.
    """
    jobs, size, first = 0, 0, now
    for entry in _entries(folder):
        if not is_job(entry.name):
            continue
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # relayed meanwhile
            continue
        jobs, size, first = jobs + 1, size + found.st_size, min(first, found.st_mtime)
    return SpoolStats(
        jobs=jobs,
        bytes=size,
        oldest=now - first if jobs else None,
        refused=sum(1 for _ in _entries(folder / REFUSED)),
    )


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except FileNotFoundError:
        return
