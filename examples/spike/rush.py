"""The sale opens: `python -m examples.spike.rush [PEOPLE]`.

Members come last and are served first.
"""

from __future__ import annotations

import sqlite3
import sys
import time

import pulpo
from examples.spike.tasks import OUT, SCHEMA, sell


def main() -> None:
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    OUT.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(OUT / "tickets.db")
    db.executescript(SCHEMA)
    db.close()
    started = time.perf_counter()
    sell.delay_many([(f"guest-{n:04}",) for n in range(people)])
    members = [{"buyer": f"member-{n:02}", "member": True} for n in range(20)]
    sell.using(priority=pulpo.HIGH).delay_many(members)
    took = time.perf_counter() - started
    print(f"{people + len(members)} requests accepted in {took * 1000:.0f} ms")


if __name__ == "__main__":
    main()
