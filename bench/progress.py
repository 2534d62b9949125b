"""One line on stderr that says what is being measured; nothing where nobody looks at it."""

from __future__ import annotations

import sys

__all__ = ["Progress"]


class Progress:
    """A line that overwrites itself on a terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def say(self, text: str) -> None:
        if self._shown:
            print(f"\r\x1b[2K{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        self.say("")
