"""A look at a spool for `pulpo doctor`: what waits in it, what was put aside, who can write it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pulpo.adapters.spool.looking import SpoolStats, look
from pulpo.adapters.spool.names import REFUSED
from pulpo.checkup import Finding, fault, note, ok, warning
from pulpo.duration import as_text

__all__ = ["examine"]

_SOON = 60.0


def examine(folder: Path, now: float) -> Iterator[Finding]:
    """Yield what a look at a spool finds at the second `now` since the epoch; makes nothing."""
    try:
        found = look(folder, now)
        mode = folder.stat().st_mode if folder.exists() else 0
    except OSError as error:
        yield fault(
            "spool",
            f"cannot be read ({error.strerror}): {str(folder)!r}",
            "what producers of this host have published is kept there while the queue is away",
            "give the folder to the user of the producers, and run this as that user",
        )
        return
    yield _waiting(found, folder)
    if found.refused:
        yield warning(
            "spool-refused",
            f"{found.refused} put aside in {str(folder / REFUSED)!r}",
            "the queue takes them never, or they cannot be read: they wait for a person",
            "the end of each name says why; publish them anew, or remove them",
        )
    if mode & (stat.S_IWGRP | stat.S_IWOTH) or (mode and folder.stat().st_uid != os.geteuid()):
        yield fault(
            "spool-folder",
            f"others can write {str(folder)!r}",
            "who can write there can publish jobs, and take them away",
            f"chmod go-w {str(folder)!r}, and chown it to the user of the producers",
        )


def _waiting(found: SpoolStats, folder: Path) -> Finding:
    why = "jobs wait in files on this host until the queue takes them"
    if not found.jobs:
        return ok("spool", f"empty: {str(folder)!r}", why)
    oldest = found.oldest or 0.0
    shown = f"{found.jobs} waiting in {str(folder)!r}, {found.bytes:,} bytes"
    shown += f", the oldest for {as_text(float(round(oldest)))}"
    do = "`pulpo relay` hands them over, and so does the next publish or worker with this URL"
    return note("spool", shown, why, do) if oldest < _SOON else warning("spool", shown, why, do)
