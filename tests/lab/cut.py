"""A process that dies at a certain byte of what it writes: a library to preload, armed by number.

    subprocess.Popen(..., env={**os.environ, **cutting()})
    arm(4711)    # in that process: it is killed at the 4711th byte from now

Counts what goes to sockets, by send(2), and what SQLite writes, by pwrite(2). What is before the
byte is written, what is behind it is not. To sync, to wait for an answer and to ring a FIFO count
as well, so that a process may also die when all is written and it has not heard so. Needs a C
compiler and Linux.
"""

from __future__ import annotations

import ctypes

from tests.lab.compiler import built

__all__ = ["arm", "cutting"]

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static long left = -1;

void cut_at(long byte) { left = byte; }

/* How much of a piece may still be written; the process is to die when it is less than all. */
static size_t allowed(size_t size) {
    if (left < 0) return size;
    if ((long)size < left) { left -= size; return size; }
    return left;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define DIE kill(getpid(), SIGKILL)

ssize_t send(int fd, const void *data, size_t size, int flags) {
    size_t part = allowed(size);
    ssize_t sent = REAL(send)(fd, data, part, flags);
    if (part < size) DIE;
    return sent;
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    size_t part = allowed(size);
    ssize_t sent = REAL(pwrite)(fd, data, part, at);
    if (part < size) DIE;
    return sent;
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    size_t part = allowed(size);
    ssize_t sent = REAL(pwrite64)(fd, data, part, at);
    if (part < size) DIE;
    return sent;
}
static void counts(size_t bytes) { if (allowed(bytes) < bytes) DIE; }
int fsync(int fd) { counts(4096); return REAL(fsync)(fd); }
int fdatasync(int fd) { counts(4096); return REAL(fdatasync)(fd); }
ssize_t write(int fd, const void *data, size_t size) {
    struct stat found;
    if (left >= 0 && !fstat(fd, &found) && S_ISFIFO(found.st_mode)) counts(4096);
    return REAL(write)(fd, data, size);
}
ssize_t recv(int fd, void *data, size_t size, int flags) {
    counts(32);
    return REAL(recv)(fd, data, size, flags);
}
"""


def cutting() -> dict[str, str]:
    """Return the environment of a process that is to load it."""
    return {"LD_PRELOAD": str(built("cut", _SOURCE))}


def arm(byte: int) -> None:
    """Let this process, into which the library was preloaded, die at a byte from now on."""
    ctypes.CDLL(None).cut_at(ctypes.c_long(byte))
