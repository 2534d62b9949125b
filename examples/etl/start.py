"""Make a log and cut its loading into jobs: `python -m examples.etl.start [LINES]`."""

from __future__ import annotations

import sqlite3
import sys

from examples.etl import log
from examples.etl.tasks import OUT, SCHEMA, load

RANGE = 512 * 1024


def main() -> None:
    path = OUT.absolute() / "access.log"
    log.write(path, int(sys.argv[1]) if len(sys.argv) > 1 else 60_000)
    db = sqlite3.connect(OUT / "hits.db")
    db.executescript(SCHEMA)
    db.close()
    size = path.stat().st_size
    jobs = [(str(path), start, min(start + RANGE, size)) for start in range(0, size, RANGE)]
    load.delay_many(jobs)
    print(f"{size / 1e6:.1f} MB in {len(jobs)} jobs")


if __name__ == "__main__":
    main()
