"""A look at a spool for `pulpo doctor`: what waits in it, what was put aside, who can write it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from pulpo.adapters.spool.looking import SpoolStats
from pulpo.adapters.spool.names import REFUSED
from pulpo.adapters.spool.store import Spool
from pulpo.checkup import Finding, fault, note, ok, warning
from pulpo.duration import as_text

__all__ = ["examine"]

# How long the next publish or worker may take to relay, in seconds.
_SOON = 60.0
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def examine(spool: Spool) -> Iterator[Finding]:
    """Yield what a look at a spool finds; makes nothing."""
    folder = spool.folder
    try:
        found = spool.stats()
        there = folder.stat() if folder.exists() else None
    except OSError as error:
        yield fault(
            "spool",
            f"cannot be read ({error.strerror}): {str(folder)!r}",
            "what producers of this host have published is kept there while the queue is away",
            "give the folder to the user of the producers, and run this as that user",
        )
        return
    yield _waiting(found, spool)
    if found.refused:
        yield warning(
            "spool-refused",
            f"{found.refused} put aside in {str(folder / REFUSED)!r}",
            "the queue takes them never, or they cannot be read: they wait for a person",
            "the end of each name says why; publish them anew, or remove them",
        )
    if there and (there.st_mode & _OTHERS_WRITE or there.st_uid != os.geteuid()):
        yield fault(
            "spool-folder",
            f"others can write {str(folder)!r}",
            "who can write there can publish jobs, and take them away; so pulpo refuses to use it",
            f"chmod go-w {str(folder)!r}, and chown it to the user of the producers",
        )


def _waiting(found: SpoolStats, spool: Spool) -> Finding:
    why = "jobs wait in files on this host until the queue takes them; beyond the limit a publish "
    why += "is refused"
    if not found.jobs:
        return ok("spool", f"empty: {str(spool.folder)!r}", why)
    oldest = found.oldest or 0.0
    shown = f"{found.jobs} waiting in {str(spool.folder)!r}, the oldest for "
    shown += f"{as_text(float(round(oldest)))}, {found.bytes:,} of at most {spool.limit:,} bytes"
    do = "`pulpo relay` hands them over, and so does the next publish or worker with this URL"
    if found.bytes >= 0.99 * spool.limit:
        return fault("spool", f"full: {shown}", why, f"{do}; or raise spool_limit")
    if oldest >= _SOON or found.bytes > 0.8 * spool.limit:
        return warning("spool", shown, why, do)
    return note("spool", shown, why, do)
