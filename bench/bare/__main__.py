"""A bare consumer as a process of its own: `python -m bench.bare ADDRESS drain|serve MARKS SIZE`.

Its job body is the same stamp as the one of pulpo's job, so both are measured by one ruler.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.bare.doors import open_bare
from bench.marks import Marks


def main(address: str, mode: str, marks: str, size: str) -> None:
    """Consume until the queue is empty (`drain`) or for ever (`serve`)."""
    stamp = Marks.open(Path(marks)).stamp
    door = open_bare(address)

    def run(body: bytes) -> None:
        stamp(int(body))

    if mode == "serve":
        door.serve(run, int(size))
    else:
        door.drain(run, int(size))


if __name__ == "__main__":
    main(*sys.argv[1:])
