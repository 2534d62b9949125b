"""What a queue could do when it was last asked, kept in the spool for those who find it away.

Only a hint, so neither synced nor missed: without it a new process takes the queue for a beanstalkd
as it comes, and refuses jobs that a larger one would have taken. Knows one small file of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from pulpo.adapters.spool.names import HINT, NEW
from pulpo.job import Capabilities

__all__ = ["recall", "remember"]

_LONGEST = 4_096


def remember(folder: Path, capabilities: Capabilities) -> None:
    """Write down what the queue can do, where that is not written yet; never raises."""
    text = json.dumps(asdict(capabilities))
    with contextlib.suppress(OSError):
        if _text(folder) == text:
            return
        path = folder / NEW / f"{HINT}-{os.urandom(4).hex()}"
        fd = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        path.rename(folder / HINT)


def recall(folder: Path) -> Capabilities | None:
    """Return what the queue could do; None where nobody knows. Never raises."""
    try:
        said = json.loads(_text(folder))
        found = Capabilities(**said)
    except (OSError, ValueError, TypeError):
        return None
    kinds = (str, int, float, bool, bool, bool, bool)
    values = asdict(found).values()
    fits = all(type(value) is kind for value, kind in zip(values, kinds, strict=True))
    return found if fits and found.max_body > 0 else None


def _text(folder: Path) -> str:
    try:
        fd = os.open(folder / HINT, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    with os.fdopen(fd, encoding="utf-8") as file:
        return file.read(_LONGEST)
