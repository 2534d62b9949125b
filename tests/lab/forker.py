"""A producer that forks while it publishes: in every way that programs do.

    PULPO_URL=... LEDGER=... python -m tests.lab.forker ROUNDS

Each round: publish; fork eight children, of which each publishes and comes to a normal end, while
the parent and a thread of it publish too; then the same by multiprocessing, forked and spawned.
What a child publishes is noted by the child. Ends with 1 where a child did.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from pathlib import Path

import pulpo
from tests.lab.ledger import Ledger

CHILDREN, SPAWN_EVERY = 8, 20

_ledger = Ledger(Path(os.environ["LEDGER"]))


def publish(count: int) -> None:
    """Publish one by one, and note each."""
    for _ in range(count):
        message = pulpo.Message(type="ledger.note", body={})
        _ledger.note("attempted", message.id)
        _ledger.note("accepted", pulpo.publish(message).id)


def _fork() -> None:
    pids = []
    beside = threading.Thread(target=publish, args=(4,))
    beside.start()
    for _ in range(CHILDREN):
        pid = os.fork()
        if not pid:
            publish(1)
            sys.exit(0)  # a normal end: with all that runs at exit
        pids.append(pid)
        publish(1)
    beside.join()
    assert all(os.waitpid(pid, 0)[1] == 0 for pid in pids), "a child failed"


def _multiprocess(kind: str) -> None:
    made = [multiprocessing.get_context(kind).Process(target=publish, args=(2,)) for _ in range(2)]
    for process in made:
        process.start()
    for process in made:
        process.join()
        assert process.exitcode == 0, f"a {kind}ed child failed"


def main() -> None:
    """Publish and fork."""
    for n in range(int(sys.argv[1])):
        publish(1)
        _fork()
        _multiprocess("fork")
        if n % SPAWN_EVERY == 0:
            _multiprocess("spawn")
        publish(1)


if __name__ == "__main__":
    main()
