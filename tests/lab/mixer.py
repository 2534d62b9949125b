"""A producer of jobs that are to come to different ends, as a process of its own.

    PULPO_URL=... LEDGER=... python -m tests.lab.mixer COUNT SEED

Each is noted as attempted with the end that it is made for, and with the monotonic second before
which it must not begin.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pulpo
from tests.lab.ledger import Ledger

__all__ = ["SHARES"]

# In percent.
SHARES = {"ok": 70, "retried": 10, "fatal": 5, "delayed": 5, "expired": 5, "urgent": 5}
_BATCH = 50


def main() -> None:
    """Publish all, in batches."""
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    chosen, ledger = random.Random(seed), Ledger(Path(os.environ["LEDGER"]))
    ends = chosen.choices(list(SHARES), list(SHARES.values()), k=count)
    for start in range(0, count, _BATCH):
        messages = []
        for end in ends[start : start + _BATCH]:
            delay = chosen.uniform(1, 3) if end == "delayed" else 0.0
            messages.append(_message(end, delay))
            not_before = time.monotonic() + delay
            ledger.note("attempted", messages[-1].id, end=end, not_before=not_before)
        for reference in pulpo.publish_many(messages):
            ledger.note("accepted", reference.id)


def _message(end: str, delay: float) -> pulpo.Message:
    match end:
        case "retried":
            return pulpo.Message(type="ledger.flaky", body={})
        case "fatal":
            return pulpo.Message(type="ledger.fatal", body={})
        case "delayed":
            return pulpo.Message(type="ledger.note", body={}, delay=delay)
        case "expired":
            return pulpo.Message(type="ledger.note", body={}, delay=1, expires=0.1)
        case "urgent":
            return pulpo.Message(type="ledger.note", body={}, priority=pulpo.HIGH)
    return pulpo.Message(type="ledger.note", body={})


if __name__ == "__main__":
    main()
