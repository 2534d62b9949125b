"""A beanstalkd that gives up a file of its log only after the next one: a library to preload.

beanstalkd 1.12 takes the last job out of an old file in this order: it removes the file, then it
writes the job into the newest (`moveone` in walg.c). A server that is killed between the two has
lost an accepted job, and no client can help. With the removal put off by one file nothing but that
is different: whatever is lost on such a server, somebody else has lost.

    Beanstalkd("-f0", binlog=folder, environ=late_unlink())

Needs a C compiler and Linux.
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.lab.shim import find_compiler

__all__ = ["late_unlink"]

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

static char pending[4096];

int unlink(const char *path) {
    int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    if (!strstr(path, "/binlog.") || strlen(path) >= sizeof pending) return real(path);
    if (pending[0]) real(pending);
    strcpy(pending, path);
    return 0;
}
"""


def late_unlink() -> dict[str, str]:
    """Return the environment of a server that is to run so; empty without a C compiler."""
    return {"LD_PRELOAD": str(_library())} if find_compiler() else {}


@cache
def _folder() -> TemporaryDirectory[str]:
    # One for all tests of a process, removed when it ends.
    return TemporaryDirectory(prefix="late-unlink-")


@cache
def _library() -> Path:
    compiler = find_compiler()
    assert compiler is not None
    folder = Path(_folder().name)
    source, library = folder / "late.c", folder / "late.so"
    source.write_text(_SOURCE, encoding="utf-8")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"],
        check=True,
        timeout=60,
    )
    return library
