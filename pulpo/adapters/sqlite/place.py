"""The file and its folder: made for us alone, refused where others could write or share it.

Knows permissions and file systems, nothing of SQLite. The file itself is opened here only before
SQLite has it: a plain open and close in a process that uses the file would drop SQLite's locks
(https://sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

from pulpo.adapters.sqlite.troubles import not_opened
from pulpo.errors import QueueUnavailableError, QueueUnusableError
from pulpo.folders import (
    OTHERS_WRITE,
    check_private,
    make_folder,
    make_private,
    sync_folder,
)

__all__ = [
    "Identity",
    "check_file",
    "check_folder",
    "check_side",
    "file_system",
    "identity",
    "is_network",
    "kinds",
    "prepare",
    "side_folder",
]

Identity = tuple[int, int]

# WAL needs memory shared by all users of the file, so they must be on one host
# (https://sqlite.org/wal.html, "Noteworthy"). fuse.* is judged by what is behind it.
_NETWORK = frozenset(
    {"9p", "afs", "ceph", "cifs", "gfs2", "glusterfs", "lustre", "nfs", "nfs4", "ocfs2", "smb3"}
    | {"smbfs", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse"}
)


def side_folder(path: Path) -> Path:
    """Return the folder beside the file where its locks and doorbells are."""
    return path.with_name(path.name + ".d")


def prepare(path: Path) -> Identity:
    """Make file and folders where missing, check them, and say which file it is.

    Raises `QueueUnavailableError` where the file cannot be ours alone.
    """
    try:
        make_folder(path.parent)
        check_folder(path.parent)
        _check_file_system(path.parent)
        _make_file(path)
        found = check_file(path)
        make_private(side_folder(path))
        check_side(side_folder(path))
    except OSError as error:
        raise not_opened(error, path) from error
    return found


def identity(path: str) -> Identity | None:
    """Say which file is at the path now; None for none."""
    try:
        found = os.stat(path)  # noqa: PTH116  # asked at every write, Path.stat costs twice as much
    except OSError:
        return None
    return found.st_dev, found.st_ino


def check_file(path: Path) -> Identity:
    """Refuse what is not a plain file of ours that nobody else may write."""
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        raise QueueUnavailableError(f"the queue file must not be a symbolic link: {str(path)!r}")
    if not stat.S_ISREG(found.st_mode):
        raise QueueUnavailableError(f"the queue file must be a plain file: {str(path)!r}")
    if found.st_uid != os.geteuid():
        raise QueueUnavailableError(
            f"the queue file belongs to user {found.st_uid}, this process is user "
            f"{os.geteuid()}; run it as the owner: {str(path)!r}"
        )
    if found.st_mode & OTHERS_WRITE:
        raise QueueUnavailableError(
            f"others may write the queue file; chmod go-w it: {str(path)!r}"
        )
    if found.st_size == 1:  # SQLite would take it for an empty one, and write over it
        raise QueueUnusableError(f"not a SQLite file; pulpo leaves it as it is: {str(path)!r}")
    return found.st_dev, found.st_ino


def _make_file(path: Path) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.suppress(FileExistsError):
        fd = os.open(path, flags, 0o600)
        try:
            os.fchmod(fd, 0o600)  # an umask may have taken our own rights too
        finally:
            os.close(fd)
        sync_folder(path.parent)


def check_folder(folder: Path) -> None:
    """Refuse a folder in which others could put another file in the place of ours."""
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise QueueUnavailableError(f"not a folder: {str(folder)!r}")
    # In a sticky folder such as /tmp nobody can remove or rename what is ours.
    sticky = bool(found.st_mode & stat.S_ISVTX)
    if found.st_uid not in (os.geteuid(), 0):
        raise QueueUnavailableError(
            f"the folder of the queue file belongs to user {found.st_uid}: {str(folder)!r}"
        )
    if found.st_mode & OTHERS_WRITE and not sticky:
        raise QueueUnavailableError(
            "others may write the folder of the queue file; chmod go-w it, or give the file a "
            f"folder of its own, as in sqlite:///.pulpo/queue.db: {str(folder)!r}"
        )


def check_side(side: Path) -> None:
    """Refuse a folder of locks that is not ours alone."""
    # Stricter than for the folder around it: nobody else has any business among the locks.
    check_private(side, "the folder of the locks", "the owner of the queue file")


def _check_file_system(folder: Path) -> None:
    kind = file_system(folder)
    if is_network(kind):
        raise QueueUnavailableError(
            f"a file queue cannot be on a network file system ({kind}); use a local disk, or "
            f"beanstalkd for several hosts: {str(folder)!r}"
        )


def file_system(folder: Path) -> str:
    """Return the type of the file system that a folder is on, as mount(8) names it; "" if unknown.

    On Linux only.
    """
    if sys.platform != "linux":
        return ""
    device = folder.stat().st_dev
    return _file_systems().get(f"{os.major(device)}:{os.minor(device)}", "")


def is_network(kind: str) -> bool:
    """Tell a file system on which locks and shared memory do not reach all users of a file."""
    return kind in _NETWORK


def _file_systems() -> dict[str, str]:
    try:
        return kinds(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return {}


def kinds(mounts: str) -> dict[str, str]:
    """Return the type of each mounted device, from a text as in proc(5), mountinfo."""
    found = {}
    for line in mounts.splitlines():
        # The third field is the device, the one after " - " the type.
        left, _, right = line.partition(" - ")
        if right:
            found[left.split()[2]] = right.split()[0]
    return found
