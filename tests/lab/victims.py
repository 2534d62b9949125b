"""Producers that are killed in the middle of a publish: by the byte, or by the clock.

    python -m tests.lab.victims KILLS SEED MOST_BYTES

with the library of `tests.lab.cut` preloaded. One process imports pulpo and forks a victim again
and again; each publishes, one message after another, until it dies. Prints how many did, by what.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pulpo
import pulpo.adapters.beanstalkd.adapter
import pulpo.adapters.sqlite.adapter  # both here, or each victim would load them anew
from tests.lab.cut import arm
from tests.lab.ledger import Ledger

# A victim that is killed by the clock dies so soon, in seconds, after it was forked.
SOON = 0.03
# Who is not dead by then will not be.
PATIENCE = 30.0


def main() -> None:
    """Let producers die, one after another."""
    kills, seed, most_bytes = (int(text) for text in sys.argv[1:4])
    chosen = random.Random(seed)
    died: Counter[str] = Counter()
    for kill in range(kills):
        by_byte = kill % 3 > 0
        byte = chosen.randrange(1, most_bytes) if by_byte else 0
        pid = os.fork()
        if not pid:
            _publish(byte)
        if not by_byte:
            time.sleep(chosen.uniform(0, SOON))
            os.kill(pid, signal.SIGKILL)
        died["at a byte" if by_byte else "by the clock"] += _end_of(pid) == -signal.SIGKILL
    print(json.dumps(died))


def _publish(byte: int) -> None:
    """Publish for ever; never returns."""
    try:
        ledger = Ledger(Path(os.environ["LEDGER"]))
        if byte:
            arm(byte)
        for n in range(100_000):
            message = pulpo.Message(type="ledger.note", body={}, headers={"pad": "x" * (n % 300)})
            ledger.note("attempted", message.id)
            pulpo.publish(message)
            ledger.note("accepted", message.id)
    except BaseException as error:
        sys.stderr.write(f"a victim met {error!r}\n")
    finally:
        os._exit(1)


def _end_of(pid: int) -> int:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.0005)
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    return 0


if __name__ == "__main__":
    main()
