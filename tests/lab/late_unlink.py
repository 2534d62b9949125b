"""A beanstalkd without the two faults by which 1.12 loses jobs of its log: a library to preload.

It takes the last job out of an old file in this order: it removes the file, then it writes the job
into the newest (`moveone` in walg.c). And it writes a record in pieces (`filewrjobfull` in file.c):
killed between them it starts again with zeros for the rest, which cover what an older file says of
that job. A server that is killed there has lost an accepted job, and no client can help. With the
removal put off by one file, and each record in one write, nothing but that is different: whatever
is lost on such a server, somebody else has lost.

    Beanstalkd("-f0", binlog=folder, environ=late_unlink())

Needs a C compiler and Linux.
"""

from __future__ import annotations

from tests.lab.compiler import built, find_compiler

__all__ = ["late_unlink"]

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char pending[4096];
static char *record;
static size_t filled;
static int pieces;

int unlink(const char *path) {
    int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    if (!strstr(path, "/binlog.") || strlen(path) >= sizeof pending) return real(path);
    if (pending[0]) real(pending);
    strcpy(pending, path);
    return 0;
}

/* A record is: the length of its queue's name, that name, what the server knows of the job, its
   body; or a 0 and what the server knows. A file begins with its version, which is no record. */
ssize_t write(int fd, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t) =
        (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    struct stat about;
    if (fd == 2 || fstat(fd, &about) || !S_ISREG(about.st_mode)) return real(fd, data, size);
    if (!pieces) {
        int name = 0;
        if (size != sizeof name || lseek(fd, 0, SEEK_CUR) == 0) return real(fd, data, size);
        memcpy(&name, data, sizeof name);
        pieces = name ? 4 : 2;
        filled = 0;
    }
    char *room = realloc(record, filled + size);
    if (!room) return -1;
    record = room;
    memcpy(record + filled, data, size);
    filled += size;
    if (--pieces) return size;
    return real(fd, record, filled) == (ssize_t)filled ? (ssize_t)size : -1;
}
"""


def late_unlink() -> dict[str, str]:
    """Return the environment of a server that is to run so; empty without a C compiler."""
    return {"LD_PRELOAD": str(built("late", _SOURCE))} if find_compiler() else {}
