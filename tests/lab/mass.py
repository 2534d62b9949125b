"""A job type for hundreds of thousands of jobs: each leaves a record of a few bytes.

A worker loads this module; the folder of the records is the environment's `LEDGER`. Nobody is
killed where it is used, so that a number that is missing is a job that is lost.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pulpo

__all__ = ["Record", "records"]

_RECORD = struct.Struct("<qdd")
_NAME = "records"


class Record(NamedTuple):
    """One run: the job's number, when (monotonic seconds), and how late by the wall clock."""

    number: int
    at: float
    late: float


def records(ledger: Path) -> list[Record]:
    """Return all records, in the order in which they were written."""
    return list(_read(ledger / _NAME))


def count(ledger: Path) -> int:
    """Return how many records there are."""
    path = ledger / _NAME
    return path.stat().st_size // _RECORD.size if path.exists() else 0


def _read(path: Path) -> Iterator[Record]:
    for number, at, late in _RECORD.iter_unpack(path.read_bytes()):
        yield Record(number, at, late)


class _Book:
    """The records' file, opened at the first job: a producer imports this module too."""

    fd = -1

    @classmethod
    def write(cls, record: Record) -> None:
        if cls.fd < 0:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            cls.fd = os.open(Path(os.environ["LEDGER"], _NAME), flags, 0o600)
        os.write(cls.fd, _RECORD.pack(*record))


@pulpo.job(type="mass.record")
def record(number: int, due: float = 0.0) -> None:
    """Leave a record; `due` is in seconds since the epoch."""
    _Book.write(Record(number, time.monotonic(), time.time() - due if due else 0.0))
