"""What some tests need of the machine, beside Python: programs and rights.

Knows how to look, not how to install.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.lab.beanstalkd import find_beanstalkd
from tests.lab.compiler import find_compiler
from tests.lab.disks import can_mount
from tests.lab.pgbouncer import find_pgbouncer
from tests.lab.postgresql import find_postgresql

__all__ = ["find_chromium", "find_faketime", "missing", "need"]

_FAKETIME = ("/usr/lib", "/usr/lib64", "/usr/local/lib")


def missing(needs: Sequence[str]) -> str:
    """Return what is missing, as a reason to show; empty where all is there."""
    return "; ".join(reason for need in needs if (reason := _LOOKS[need]()))


def need(*things: str) -> None:
    """Skip the test where the machine lacks something; fail it where CI is set."""
    reason = missing(things)
    if reason and os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI is set")
    if reason:
        pytest.skip(reason)


def find_faketime() -> str | None:
    """Return the path of the library that lets a program see another clock."""
    for folder in map(Path, _FAKETIME):
        for found in folder.glob("**/faketime/libfaketime.so.1"):
            return str(found)
    return None


def find_chromium() -> str | None:
    """Return the path of the browser."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def _program(name: str) -> str:
    return "" if shutil.which(name) else f"{name} is not installed"


_LOOKS = {
    "beanstalkd": lambda: "" if find_beanstalkd() else "beanstalkd is not installed",
    "postgresql": lambda: "" if find_postgresql() else "PostgreSQL is not installed",
    "pgbouncer": lambda: "" if find_pgbouncer() else "pgbouncer is not installed",
    "root": lambda: "" if os.geteuid() == 0 else "not root",
    "compiler": lambda: "" if find_compiler() else "no C compiler is installed",
    "strace": lambda: _program("strace"),
    "prlimit": lambda: _program("prlimit"),
    "chromium": lambda: "" if find_chromium() else "chromium is not installed",
    "faketime": lambda: "" if find_faketime() else "libfaketime is not installed",
    "small disk": lambda: "" if can_mount() else "a small disk cannot be mounted here",
}
