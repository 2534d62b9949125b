"""A producer in a process of its own: `python -m bench.producer pulpo|bare ADDRESS SECONDS`.

It connects with a first job, says that it is ready, waits for a line, publishes one by one for so
many seconds and says how many were accepted. So several start at the same moment.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__: list[str] = []


@contextmanager
def _pulpo(url: str) -> Iterator[Callable[[], object]]:
    import pulpo

    app = pulpo.Pulpo(url)

    @app.job(type="bench.noop")
    def noop(number: int) -> None: ...

    try:
        yield lambda: noop.delay(0)
    finally:
        app.close()


@contextmanager
def _bare(address: str) -> Iterator[Callable[[], object]]:
    from bench.bare.doors import open_bare
    from bench.bare_side import body_of

    body = body_of(0)
    with open_bare(address).putter() as put:
        yield lambda: put(body)


def main(kind: str, address: str, seconds: str) -> None:
    """Publish, and print the count."""
    with {"pulpo": _pulpo, "bare": _bare}[kind](address) as put:
        put()
        print("ready", flush=True)
        sys.stdin.readline()
        count, end = 0, time.monotonic() + float(seconds)
        while time.monotonic() < end:
            put()
            count += 1
        print(count, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
