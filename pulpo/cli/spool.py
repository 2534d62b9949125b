"""What commands say of a spool."""

from __future__ import annotations

from dataclasses import asdict

from pulpo.adapters.spool import SpoolStats
from pulpo.adapters.spool.store import Spool
from pulpo.cli.errors import FAILED, CommandError
from pulpo.duration import as_text

__all__ = ["as_json", "counted", "sentence_of"]


def counted(spool: Spool) -> SpoolStats:
    """Count what is in a spool; a folder that cannot be read fails the command."""
    try:
        return spool.stats()
    except OSError as error:
        raise CommandError(
            f"the spool cannot be read ({error.strerror}): {str(spool.folder)!r}", code=FAILED
        ) from None


def as_json(found: SpoolStats) -> dict[str, object]:
    """Return the counts as `stats --json` gives them."""
    return asdict(found)


def sentence_of(found: SpoolStats, spool: Spool) -> str:
    """Return the counts in one line."""
    jobs = f"{found.jobs} job" if found.jobs == 1 else f"{found.jobs} jobs"
    oldest = "" if found.oldest is None else f", the oldest for {as_text(round(found.oldest))}"
    return (
        f"spool: {jobs}, {found.bytes} bytes{oldest}; {found.refused} refused: "
        f"{str(spool.folder)!r}"
    )
