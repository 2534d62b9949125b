"""A producer as a process of its own, that does not give up and keeps the ledger.

    PULPO_URL=... LEDGER=... python -m tests.lab.producer COUNT [options]

It publishes each message until it is accepted. Only two errors are for that: the queue is out of
reach, and no answer came; then the *same* message goes again. Any other error ends it with 1.
Prints one line of JSON: how often it met which error, the longest publish in seconds, and the ids
that were sent at least once without an answer: these may be in the queue twice.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pulpo
from tests.lab.ledger import Ledger

TRY_AGAIN = (pulpo.QueueUnavailableError, pulpo.PublishUncertainError)
PATIENCE = 30.0


def main() -> None:
    """Publish, and say how that went."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.producer")
    parser.add_argument("count", type=int)
    parser.add_argument("--type", default="ledger.note")
    parser.add_argument("--seconds", type=float, default=0.0, help="that each job takes")
    parser.add_argument("--batch", type=int, default=1, help="messages in one call")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two calls")
    parser.add_argument("--priorities", default="65536", help="taken in turn")
    parser.add_argument("--queues", default="default", help="taken in turn")
    given = parser.parse_args()
    priorities = [int(text) for text in given.priorities.split(",")]
    queues = given.queues.split(",")
    messages = [
        pulpo.Message(
            type=given.type,
            body={"seconds": given.seconds} if given.seconds else {},
            priority=priorities[n % len(priorities)],
            queue=queues[n // len(priorities) % len(queues)],
        )
        for n in range(given.count)
    ]
    ledger, errors, slowest = Ledger(Path(os.environ["LEDGER"])), Counter[str](), 0.0
    uncertain: set[str] = set()
    for start in range(0, given.count, given.batch):
        before = time.monotonic()
        _insist(messages[start : start + given.batch], ledger, errors, uncertain)
        slowest = max(slowest, time.monotonic() - before)
        time.sleep(given.pause)
    print(json.dumps({"errors": errors, "slowest": slowest, "uncertain": sorted(uncertain)}))


def _insist(
    messages: Sequence[pulpo.Message], ledger: Ledger, errors: Counter[str], uncertain: set[str]
) -> None:
    for message in messages:
        ledger.note("attempted", message.id)
    deadline = time.monotonic() + PATIENCE
    left = list(messages)
    while left:
        try:
            accepted = pulpo.publish_many(left) if len(left) > 1 else [pulpo.publish(left[0])]
        except TRY_AGAIN as error:
            errors[type(error).__name__] += 1
            if time.monotonic() > deadline:
                raise
            accepted = [each for each in error.results if isinstance(each, pulpo.JobRef)]
            own = [*error.results, error]
            uncertain |= {each.id for each in own if isinstance(each, pulpo.PublishUncertainError)}
            time.sleep(0.02)
        there = {reference.id for reference in accepted}
        for job_id in there:
            ledger.note("accepted", job_id)
        left = [message for message in left if message.id not in there]


if __name__ == "__main__":
    main()
