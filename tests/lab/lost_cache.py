"""A power cut for one SQLite file: what was written and not synced is gone, or some pages of it.

    cache = LostCache(folder, path)
    ... programs run with `cache.environ`, and are killed, all of them ...
    cache.lose(chosen, some=True)

A library to preload notes what each write puts an end to, before it is made, and forgets that at a
sync. Whatever is in the notes in the end can be taken back. A sync itself is not made: nobody pulls
a real plug. The shared memory of the log is no file of a disk, and is gone. What is not in the
picture: a name in a folder that was not synced. Needs a C compiler and Linux; knows no queue.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from pathlib import Path

from tests.lab.compiler import built

__all__ = ["LostCache"]

_PAGE = 4096
_RECORD = struct.Struct("=cQqqqq")
_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
struct __attribute__((packed)) record {
    char kind; uint64_t inode; int64_t at, size, kept, length;
};

static int ours(const char *path) {
    const char *file = getenv("LOST_FILE");
    size_t size = file ? strlen(file) : 0;
    return size && !strncmp(path, file, size) && (!path[size] || !strcmp(path + size, "-wal"));
}

static int is_ours(int fd, struct stat *found) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return ours(path) && !fstat(fd, found);
}

/* The lock file holds how long the notes are: what a killed process has begun is cut off. */
static int locked(int64_t *length) {
    int fd = open(getenv("LOST_LOCK"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    flock(fd, LOCK_EX);
    if (REAL(pread)(fd, length, sizeof *length, 0) != sizeof *length) *length = 0;
    return fd;
}

static void append(int lock, int64_t length, const struct record *record, const char *old) {
    int fd = open(getenv("LOST_NOTES"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    size_t kept = record->kept > 0 ? record->kept : 0, size = sizeof *record + kept;
    char *all = malloc(size);
    memcpy(all, record, sizeof *record);
    if (kept) memcpy(all + sizeof *record, old, kept);
    if (REAL(pwrite)(fd, all, size, length) != (ssize_t)size) abort();
    length += size;
    REAL(pwrite)(lock, &length, sizeof length, 0);
    free(all);
    close(fd);
}

static void note(int lock, int64_t length, int fd, int64_t at, int64_t size, struct stat *found) {
    char *old = malloc(size ? size : 1);
    struct record record = {'W', found->st_ino, at, size, 0, found->st_size};
    record.kept = size ? REAL(pread)(fd, old, size, at) : 0;
    append(lock, length, &record, old);
    free(old);
}

static ssize_t writes(int fd, const void *data, size_t size, off64_t at) {
    struct stat found;
    int64_t length;
    if (!is_ours(fd, &found)) return REAL(pwrite64)(fd, data, size, at);
    int lock = locked(&length);
    fstat(fd, &found);
    note(lock, length, fd, at, size, &found);
    ssize_t written = REAL(pwrite64)(fd, data, size, at);
    close(lock);
    return written;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    return writes(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return writes(fd, data, size, at);
}

static int cuts(int fd, off64_t size) {
    struct stat found;
    int64_t length;
    if (!is_ours(fd, &found)) return REAL(ftruncate64)(fd, size);
    int lock = locked(&length);
    fstat(fd, &found);
    note(lock, length, fd, size, found.st_size > size ? found.st_size - size : 0, &found);
    int done = REAL(ftruncate64)(fd, size);
    close(lock);
    return done;
}

int ftruncate64(int fd, off64_t size) { return cuts(fd, size); }
int ftruncate(int fd, off_t size) { return cuts(fd, size); }

static int forget(const struct stat *found) {
    int64_t length;
    struct record record = {'S', found->st_ino, 0, 0, 0, 0};
    int lock = locked(&length);
    append(lock, length, &record, NULL);
    close(lock);
    return 0;
}

int fsync(int fd) {
    struct stat found;
    return is_ours(fd, &found) ? forget(&found) : REAL(fsync)(fd);
}
int fdatasync(int fd) {
    struct stat found;
    return is_ours(fd, &found) ? forget(&found) : REAL(fdatasync)(fd);
}
int unlink(const char *path) {
    struct stat found;
    /* Its number may be given to the next file: that has nothing to lose yet. */
    if (ours(path) && !stat(path, &found)) forget(&found);
    return REAL(unlink)(path);
}
"""


@dataclass(frozen=True, slots=True)
class _Write:
    """What a write has put an end to: the bytes there, and the length of the file."""

    at: int
    old: bytes
    length: int


class LostCache:
    """The page cache of one SQLite file and its log; `folder` takes the notes."""

    def __init__(self, folder: Path, path: Path) -> None:
        self._paths = [path, path.with_name(path.name + "-wal")]
        self._shared = path.with_name(path.name + "-shm")
        self._notes, self._lock = folder / "unsynced", folder / "unsynced.lock"
        self.environ = {
            "LD_PRELOAD": str(built("lost", _SOURCE)),
            "LOST_FILE": str(path),
            "LOST_NOTES": str(self._notes),
            "LOST_LOCK": str(self._lock),
        }

    def lose(self, chosen: random.Random, *, some: bool) -> int:
        """Take back what was not synced, all or `some` pages; return how many pages that were.

        Nobody may use the file. The notes begin anew.
        """
        unsynced = self._read()
        lost = 0
        for path in self._paths:
            if path.exists() and (writes := unsynced.get(path.stat().st_ino)):
                lost += _take_back(path, writes, chosen if some else None)
        self._shared.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)
        self._lock.unlink(missing_ok=True)
        return lost

    def _read(self) -> dict[int, list[_Write]]:
        if not self._notes.exists():
            return {}
        (length,) = struct.unpack("=q", self._lock.read_bytes())
        notes, start = self._notes.read_bytes()[:length], 0
        unsynced: dict[int, list[_Write]] = {}
        while start < length:
            kind, inode, at, _, kept, size = _RECORD.unpack_from(notes, start)
            start += _RECORD.size
            if kind == b"S":
                unsynced.pop(inode, None)
                continue
            unsynced.setdefault(inode, []).append(_Write(at, notes[start : start + kept], size))
            start += max(kept, 0)
        return unsynced


def _take_back(path: Path, writes: list[_Write], chosen: random.Random | None) -> int:
    now = path.read_bytes()
    before = bytearray(now)
    for write in reversed(writes):
        end = write.at + len(write.old)
        before.extend(bytes(max(end - len(before), 0)))
        before[write.at : end] = write.old
        del before[write.length :]
        before.extend(bytes(write.length - len(before)))
    lost, kept_to = 0, len(before)
    result = before + bytes(max(len(now) - len(before), 0))
    for at in range(0, len(now), _PAGE):
        page = now[at : at + _PAGE]
        if before[at : at + _PAGE] == page:
            continue
        if chosen is not None and chosen.random() < 0.5:
            result[at : at + len(page)] = page
            kept_to = max(kept_to, at + len(page))
        else:
            lost += 1
    path.write_bytes(result[:kept_to])
    return lost
