"""What the files of a spool are called, so that their names sort in the order of the relay.

    DIR/0000065536-0198c0de-7a11-7b0b-8123-6c6f73746a6f-5f3a90c1    a job that waits
    DIR/new/                                                        being written, not accepted yet
    DIR/refused/NAME.too-big                                        put aside, with the reason
    DIR/lock                                                        held by whoever relays
    DIR/queue                                                       what the queue can do

Priority, then id (which begins with the time), then random digits: the same message may be
published twice, and neither file replaces the other. Nothing else of a message is in a name. Pure,
but for the random digits.
"""

from __future__ import annotations

import os
import re

from pulpo.identity import new_id
from pulpo.job import NewJob

__all__ = ["HINT", "LOCK", "NEW", "REFUSED", "is_job", "name_of"]

NEW, REFUSED, LOCK, HINT = "new", "refused", "lock", "queue"

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_JOB = re.compile(rf"[0-9]{{10}}-{_UUID.pattern}-[0-9a-f]{{8}}", re.ASCII)


def name_of(job: NewJob) -> str:
    """Return a name for a job's file that no other file has."""
    # An id that is not ours could hold a slash.
    shown = job.id if _UUID.fullmatch(job.id) else new_id()
    return f"{job.priority:010}-{shown}-{os.urandom(4).hex()}"


def is_job(name: str) -> bool:
    """Tell the file of a job that waits from whatever else is in the folder."""
    return _JOB.fullmatch(name) is not None
