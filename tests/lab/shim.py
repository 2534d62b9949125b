"""A disk that fails on command: a library to preload, under which writes or syncs return an error.

Only files whose path contains a given text are touched, and only while a flag file exists, so that
a program starts healthy and fails when the test says so. Needs a C compiler and Linux; knows
neither pulpo nor beanstalkd.
"""

from __future__ import annotations

import errno
from pathlib import Path

from tests.lab.compiler import built

__all__ = ["FailingDisk"]

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int fails(const char *kind, int fd) {
    const char *flag = getenv("SHIM_FLAG"), *match = getenv("SHIM_MATCH");
    const char *calls = getenv("SHIM_CALLS"), *code = getenv("SHIM_ERRNO");
    char link[64], path[4096];
    int before = errno;
    if (!flag || !match || !calls || !code || !strstr(calls, kind) || access(flag, F_OK)) {
        errno = before;
        return 0;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    errno = before;
    if (size < 0) return 0;
    path[size] = 0;
    if (!strstr(path, match)) return 0;
    errno = atoi(code);
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) {
    return fails("write", fd) ? -1 : REAL(write)(fd, data, size);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    return fails("write", fd) ? -1 : REAL(writev)(fd, parts, count);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return fails("write", fd) ? -1 : REAL(pwrite)(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    return fails("write", fd) ? -1 : REAL(pwrite64)(fd, data, size, at);
}
int fsync(int fd) { return fails("sync", fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails("sync", fd) ? -1 : REAL(fdatasync)(fd); }
"""


class FailingDisk:
    """Fails `calls` (`write`, `sync`, or `write,sync`) on files whose path contains `match`.

    `environ` is for the program that is to run on it: `Beanstalkd(..., environ=disk.environ)`.
    `flag` is a path that must not exist yet. `error` is the errno that the program sees.
    """

    def __init__(
        self, flag: Path, *, match: str, calls: str = "write", error: int = errno.EIO
    ) -> None:
        self._flag = flag
        self.environ = {
            "LD_PRELOAD": str(built("shim", _SOURCE)),
            "SHIM_FLAG": str(flag),
            "SHIM_MATCH": match,
            "SHIM_CALLS": calls,
            "SHIM_ERRNO": str(error),
        }

    def fail(self) -> None:
        """Let every such call fail from now on."""
        self._flag.touch()

    def heal(self) -> None:
        """Let them work again."""
        self._flag.unlink(missing_ok=True)
