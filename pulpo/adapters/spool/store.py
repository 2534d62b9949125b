"""The folder of a spool: jobs are written, synced, listed in order, read, and removed.

A job is accepted once its file is synced under its name and so is the folder. Knows files and
their faults; when to keep a job and whom to give it is known to its neighbours.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import stat
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from pulpo.adapters.spool.looking import SpoolStats, look
from pulpo.adapters.spool.names import LOCK, NEW, REFUSED, is_job, name_of
from pulpo.adapters.spool.record import Kept, pack, unpack
from pulpo.clock import Clock
from pulpo.errors import (
    DecodeError,
    PublishUncertainError,
    QueueError,
    QueueFullError,
    QueueUnavailableError,
)
from pulpo.folders import check_private, make_folder, make_private, sync_folder
from pulpo.job import NewJob
from pulpo.system import FileLock

__all__ = ["Spool"]

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# A file of these kinds of trouble is not ours to read; others, as EMFILE, may pass.
_NOT_A_FILE = (errno.ELOOP, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EIO, errno.ENXIO)
_PLAINLY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST_LISTED = 10_000
# A list of a folder is used so long, in seconds, or so many times what it took to make.
_LIST_AGE, _LIST_SHARE = 1.0, 20
# What was being written a day ago is written by nobody any more.
_ABANDONED = 86_400.0


class Spool:
    """One folder, shared by all threads of a process and by many processes.

    `limit` is the most that waiting jobs may take, in bytes. Several processes that fill it at the
    same time see each other's files within about a second. `arrivals` counts what was kept here.
    """

    def __init__(self, folder: Path, limit: int, clock: Clock) -> None:
        self.folder = folder
        self.limit = limit
        self.arrivals = 0
        self._clock = clock
        self._boot = ""
        self._size = 0
        self._measured_until = float("-inf")
        self._listed: deque[str] = deque()
        self._listed_until = float("-inf")

    def prepare(self) -> None:
        """Make the folder where missing, and refuse one that is not ours alone.

        Raises `OSError` where it cannot be made, `QueueUnavailableError` for what is refused.
        """
        make_folder(self.folder)
        check_private(self.folder, "the folder of the spool")
        for name in (NEW, REFUSED):
            make_private(self.folder / name)
            check_private(self.folder / name, "a folder in the spool")

    def keep(self, jobs: Sequence[NewJob]) -> list[QueueError | None]:
        """Accept jobs into synced files; for each, None or why it was not kept.

        `PublishUncertainError`: nobody knows whether the disk has it.
        """
        try:
            self.prepare()
            self._measure()
        except OSError as error:
            return [self._trouble(error) for _ in jobs]
        except QueueUnavailableError as error:
            return [error for _ in jobs]
        names = [name_of(job) for job in jobs]
        answers = [self._write(name, job) for name, job in zip(names, jobs, strict=True)]
        answers = [
            self._name(name) if answer is None else answer
            for name, answer in zip(names, answers, strict=True)
        ]
        self.arrivals += 1
        try:
            sync_folder(self.folder)
        except OSError as error:
            uncertain = [self._uncertain(job, error) for job in jobs]
            return [answer or doubt for answer, doubt in zip(answers, uncertain, strict=True)]
        return answers

    def _write(self, name: str, job: NewJob) -> QueueError | None:
        data = pack(Kept.now(job, self._clock, self._boot_id()))
        if self._size + len(data) > self.limit:
            return QueueFullError(
                f"the spool holds {self._size} bytes and takes {self.limit}; the job was not "
                f"accepted: {str(self.folder)!r}"
            )
        path = self.folder / NEW / name
        try:
            _write_synced(path, data)
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()
            return self._trouble(error)
        self._size += len(data)
        return None

    def _name(self, name: str) -> QueueError | None:
        path = self.folder / NEW / name
        try:
            path.rename(self.folder / name)
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()
            return self._trouble(error)
        return None

    def _trouble(self, error: OSError) -> QueueError:
        where = repr(str(self.folder))
        if error.errno in _NO_ROOM:
            return QueueFullError(
                f"the disk of the spool is full ({error.strerror}); the job was not accepted: "
                f"{where}"
            )
        return QueueUnavailableError(f"the spool cannot be used ({error.strerror}): {where}")

    def _uncertain(self, job: NewJob, error: OSError) -> PublishUncertainError:
        return PublishUncertainError(
            f"the disk failed while job {job.id!r} was synced into the spool "
            f"({error.strerror}): {str(self.folder)!r}",
            id=job.id,
        )

    def _boot_id(self) -> str:
        self._boot = self._boot or self._clock.boot()
        return self._boot

    def _measure(self) -> None:
        now = self._clock.monotonic()
        if now < self._measured_until:
            return
        self._size = look(self.folder, 0.0).bytes
        took = self._clock.monotonic() - now
        self._measured_until = now + max(_LIST_AGE, _LIST_SHARE * took)

    def stats(self) -> SpoolStats:
        """Count what is in it; raises `OSError`."""
        return look(self.folder, self._clock.wall())

    def is_empty(self) -> bool:
        """Tell whether no job waits here; cheap. Raises `OSError`."""
        try:
            with os.scandir(self.folder) as entries:
                return not any(is_job(entry.name) for entry in entries)
        except FileNotFoundError:
            return True

    def lock(self) -> FileLock:
        """Return the lock of whoever relays, not taken yet.

        Raises `OSError` where nothing could be removed: it would be relayed again and again.
        """
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.folder))
        return FileLock(self.folder / LOCK)

    def refresh(self) -> None:
        """List the folder anew where the list is used up or old; raises `OSError`.

        This and the next two are only for the holder of the lock, between two flights.
        """
        now = self._clock.monotonic()
        if self._listed and now < self._listed_until:
            return
        with os.scandir(self.folder) as entries:
            names = (entry.name for entry in entries if is_job(entry.name))
            self._listed = deque(heapq.nsmallest(_MOST_LISTED, names))
        took = self._clock.monotonic() - now
        self._listed_until = now + max(_LIST_AGE, _LIST_SHARE * took)

    def next_name(self) -> str | None:
        """Take the most urgent name off the list; None where that is used up."""
        return self._listed.popleft() if self._listed else None

    def start_over(self) -> None:
        """Forget the list: something in it is still here."""
        self._listed.clear()

    def read(self, name: str) -> NewJob | None:
        """Return a kept job as it is to be put now; None where somebody else has relayed it.

        Raises `DecodeError` for what is not the whole file of a job, `OSError` for trouble that
        may pass.
        """
        try:
            data = _read(self.folder / name)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in _NOT_A_FILE:
                raise
            raise DecodeError(f"not to be read ({error.strerror}): {name!r}") from error
        return unpack(data).put_now(self._clock, self._boot_id())

    def remove(self, name: str) -> None:
        """Remove the file of a job that the queue has accepted."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / name).unlink()

    def put_aside(self, name: str, reason: str) -> None:
        """Move a file where it is not relayed again and is seen; `reason` becomes its ending."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / name).rename(self.folder / REFUSED / f"{name}.{reason}")

    def sweep(self) -> None:
        """Remove what killed producers left half written: none of it was accepted."""
        now = self._clock.wall()
        with os.scandir(self.folder / NEW) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if now - entry.stat(follow_symlinks=False).st_mtime > _ABANDONED:
                        os.unlink(entry.path)  # noqa: PTH108  # what scandir gives


def _write_synced(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAINLY, 0o600)
    try:
        os.fchmod(fd, 0o600)  # an umask may have taken our own rights too
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def _read(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | _PLAINLY)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EISDIR, "not a plain file")
        return file.read()
