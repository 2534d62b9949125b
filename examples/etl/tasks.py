"""Extract, transform, load: an access log into a table of requests an hour, in parallel.

A job is a range of bytes, not the bytes: the file is the data, the message says which part. All
rows of a range are replaced in one transaction, so a range that is loaded twice counts once.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pulpo

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "etl")

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS hits (
    start INTEGER, hour TEXT, path TEXT, status INTEGER, hits INTEGER, bytes INTEGER,
    PRIMARY KEY (start, hour, path, status)) WITHOUT ROWID;
"""
LINE = re.compile(rb'\S+ \S+ \S+ \[([^\]]+)\] "\w+ ([^ "?]+)[^"]*" (\d{3}) (\d+)')


@pulpo.job(type="etl.load", queue="etl", timeout="5m")
def load(log: str, start: int, end: int) -> None:
    """Load the lines of a log that begin in the bytes from `start` up to `end`."""
    hits: Counter[tuple[str, str, int]] = Counter()
    size: Counter[tuple[str, str, int]] = Counter()
    for line in lines(Path(log), start, end):
        found = LINE.match(line)
        key = transform(found) if found else ("", "(broken)", 0)
        hits[key] += 1
        size[key] += int(found[4]) if found else len(line)
    db = sqlite3.connect(OUT / "hits.db", timeout=60)
    try:
        with db:
            db.execute("DELETE FROM hits WHERE start = ?", (start,))
            rows = [(start, *key, hits[key], size[key]) for key in sorted(hits)]
            db.executemany("INSERT INTO hits VALUES (?, ?, ?, ?, ?, ?)", rows)
    finally:
        db.close()


def lines(path: Path, start: int, end: int) -> Iterator[bytes]:
    """Yield the lines that begin in a range; its last one may end beyond it."""
    with path.open("rb") as log:
        if start:
            log.seek(start - 1)
            log.readline()  # the rest of a line that belongs to the range before
        while log.tell() < end and (line := log.readline()):
            yield line


def transform(line: re.Match[bytes]) -> tuple[str, str, int]:
    """Return hour, path and status of a request."""
    moment = datetime.strptime(line[1].decode(), "%d/%b/%Y:%H:%M:%S %z")
    return f"{moment:%Y-%m-%dT%H}", line[2].decode(), int(line[3])
