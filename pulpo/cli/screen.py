"""A terminal that shows one page anew again and again, until a key ends it.

Knows no page. What was on the terminal before is there again afterwards.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Screen", "on_screen"]

# Another screen, without a cursor, on which a long line is cut off; and back.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _END_OF_LINE, _END_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
_QUIT = (b"q", b"Q", b"\x1b", b"\x03", b"\x04", b"")


class Screen:
    """The terminal while it is ours."""

    def show(self, text: str) -> None:
        """Draw a page over the one before; what finds no room is left out."""
        lines = text.split("\n")[: shutil.get_terminal_size().lines - 1]
        drawn = "".join(f"{line}{_END_OF_LINE}\r\n" for line in lines)
        sys.stdout.write(f"{_HOME}{drawn}{_END_OF_SCREEN}")
        sys.stdout.flush()

    def is_over(self, patience: float) -> bool:
        """Wait for a key, up to so many seconds; True when it ends this."""
        found, _, _ = select.select([sys.stdin], [], [], patience)
        return bool(found) and os.read(sys.stdin.fileno(), 1) in _QUIT


@contextmanager
def on_screen() -> Iterator[Screen]:
    """Take the terminal, and give it back as it was."""
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        sys.stdout.write(_ENTER)
        yield Screen()
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
