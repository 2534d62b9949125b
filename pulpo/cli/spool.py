"""What commands say of a spool."""

from __future__ import annotations

from pulpo.adapters.spool import SpoolStats
from pulpo.adapters.spool.store import Spool
from pulpo.cli.output import escape, talk
from pulpo.duration import as_text

__all__ = ["in_spool", "sentence_of"]


def in_spool(spool: Spool) -> SpoolStats | None:
    """Count what is in a spool; None, and a word on stderr, where this user may not look."""
    try:
        return spool.stats()
    except OSError as error:
        talk(f"the spool cannot be read ({error.strerror}): {str(spool.folder)!r}")
        return None


def sentence_of(found: SpoolStats, spool: Spool) -> str:
    """Return the counts in one line."""
    jobs = f"{found.jobs} job" if found.jobs == 1 else f"{found.jobs} jobs"
    oldest = "" if found.oldest is None else f", the oldest for {as_text(round(found.oldest))}"
    return escape(
        f"spool: {jobs}, {found.bytes} bytes{oldest}; {found.refused} refused: "
        f"{str(spool.folder)!r}"
    )
