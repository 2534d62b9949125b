"""Folders of our own: made for this user alone, refused where others could put something in.

Knows permissions and POSIX, not what is kept in a folder.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from pulpo.errors import QueueUnavailableError

__all__ = [
    "OTHERS_WRITE",
    "check_private",
    "free_bytes",
    "make_folder",
    "make_private",
    "state_folder",
    "sync_folder",
]

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def free_bytes(folder: Path) -> int:
    """Return how many bytes a process without privileges can still write to this disk."""
    while not folder.exists():  # the first write makes it, on its parent's disk
        folder = folder.parent
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def state_folder() -> Path:
    """Return the folder for what pulpo keeps of this user on this host; makes nothing.

    In `XDG_STATE_HOME`, or `~/.local/state` (XDG Base Directory Specification). Raises
    `QueueUnavailableError` where this user has no home.
    """
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    if named.is_absolute():
        return named / "pulpo"
    try:
        return Path.home() / ".local" / "state" / "pulpo"
    except RuntimeError as error:
        raise QueueUnavailableError(
            f"no folder for the state of this user ({error}); set XDG_STATE_HOME"
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those around it where missing, each 0700 and synced; raises `OSError`."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        make_private(path)
        sync_folder(path.parent)


def make_private(folder: Path) -> None:
    """Make one folder, 0700, where it is missing; raises `OSError`."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)  # an umask may have taken our own rights too


def sync_folder(folder: Path) -> None:
    """Write to disk which names are in a folder; raises `OSError`."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def check_private(folder: Path, what: str, owner: str = "this user") -> None:
    """Refuse with `QueueUnavailableError` a folder that is not ours alone; `what` names it.

    Raises `OSError` where there is none.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise QueueUnavailableError(
            f"{what} must be a folder, not a link or a file: {str(folder)!r}"
        )
    if found.st_uid != os.geteuid() or found.st_mode & OTHERS_WRITE:
        raise QueueUnavailableError(
            f"{what} must belong to {owner}, and others must not write it: {str(folder)!r}"
        )
