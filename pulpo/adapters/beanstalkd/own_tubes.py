"""The tubes that are pulpo's own: they have jobs in them, and are no queue of a user."""

from __future__ import annotations

__all__ = ["DOCTOR", "PROBE", "ROSTER", "is_own"]

#: Who looks for the newest number puts a job there, and deletes it.
PROBE = "pulpo.probe"
#: With this begin the tubes in which a server is tried out.
DOCTOR = "pulpo.doctor."
#: Where several servers are one queue, a job in it says which they are.
ROSTER = "pulpo.roster"


def is_own(tube: str) -> bool:
    """Tell whether a tube is none of a user."""
    return tube in (PROBE, ROSTER) or tube.startswith(DOCTOR)
