"""A program whose system calls are counted: `python -m tests.cost.program URL publish|drain N`.

It publishes N jobs one by one, or publishes them in one go and drains them.
"""

from __future__ import annotations

import sys

import pulpo


def main(url: str, act: str, count: int) -> None:
    """Do it, and close the queue."""
    with pulpo.Pulpo(url) as app:

        @app.job(type="noop")
        def noop(n: int) -> None: ...

        if act == "publish":
            for number in range(count):
                noop.delay(number)
        else:
            noop.delay_many([(number,) for number in range(count)])
            app.run_worker(burst=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
