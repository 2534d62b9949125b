"""`python -m pulpo`, and the `pulpo` command: how the process starts, before any verb is loaded."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line of this process; never returns."""
    if _verb(sys.argv[1:]) == "worker":
        # A worker that has not begun yet has nothing to finish; click alone takes 50 ms to load.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: os._exit(0))
    from pulpo.cli import main as cli  # noqa: PLC0415  # only now

    cli()


def _verb(arguments: list[str]) -> str:
    """Return the verb of a command line, as far as that is needed here."""
    left = iter(arguments)
    for argument in left:
        if argument == "--url":
            next(left, None)
        elif not argument.startswith("-"):
            return argument
    return ""


if __name__ == "__main__":
    main()
