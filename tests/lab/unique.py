"""Unique jobs that keep the ledger, and a producer of them: who had which key, and when.

A worker loads this module; as a program it publishes, a call after another, by keys at random:

    PULPO_URL=... LEDGER=... python -m tests.lab.unique COUNT --keys 1000 --seed 7

Each call is noted as `accepted` once it has returned: which job it was told of, whether that was
there before, and when the call had begun.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from pathlib import Path

import pulpo
from tests.lab.ledger import Ledger

PATIENCE = 60.0
LEDGER = Ledger(Path(os.environ["LEDGER"]))


@pulpo.job(type="ledger.once", unique=pulpo.Unique(by="key"))
def once(key: int, seconds: float = 0.0) -> None:
    """Take some time; only one job of a key is there at any moment."""
    run = pulpo.current_job()
    LEDGER.note("begun", run.id, key=key)
    time.sleep(seconds)
    LEDGER.note("done", run.id, key=key)


def main() -> None:
    """Publish so many calls; a batch now and then."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.unique")
    parser.add_argument("count", type=int)
    parser.add_argument("--keys", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.0, help="that each job takes")
    given = parser.parse_args()
    chosen, left = random.Random(given.seed), given.count
    while left > 0:
        keys = [chosen.randrange(given.keys) for _ in range(min(left, chosen.choice((1, 1, 1, 5))))]
        for key in keys:
            LEDGER.note("attempted", f"{os.getpid()}-{left}", key=key)
        since, found = _insist([(key, given.seconds) for key in keys])
        for key, told in zip(keys, found, strict=True):
            LEDGER.note("accepted", told.id, key=key, existing=told.existing, since=since)
        left -= len(keys)


def _insist(calls: list[tuple[int, float]]) -> tuple[float, list[pulpo.JobRef]]:
    """Publish calls, again where nothing was sent; return since when, and what was said of each."""
    deadline = time.monotonic() + PATIENCE
    while True:
        since = time.monotonic()
        try:
            return since, once.delay_many(calls)
        except pulpo.QueueUnavailableError as error:
            # A busy machine keeps the file's lock from whom the kernel lets wait.
            if error.results or since > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    main()
