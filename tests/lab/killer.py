"""Something that strikes again and again while a story goes on, with a seed.

Knows when, not what: the strike is the caller's.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from tests.lab.background import Background

__all__ = ["Killer"]


class Killer(Background):
    """Calls `strike` at random moments in a thread of its own; a context manager.

    `between` are the shortest and longest pause in seconds. A strike that returns False hit nothing
    and does not count. It ends after `most` strikes, or when it is left; an error of a strike is
    raised there.
    """

    def __init__(
        self,
        strike: Callable[[], bool],
        chosen: random.Random,
        *,
        between: tuple[float, float],
        most: int,
    ) -> None:
        super().__init__()
        self.struck = 0
        self._strike = strike
        self._chosen = chosen
        self._between = between
        self._most = most
        self._over = threading.Event()

    @property
    def is_done(self) -> bool:
        """Whether it will not strike any more."""
        return not self._thread.is_alive()

    def _work(self) -> None:
        while self.struck < self._most:
            if self._over.wait(self._chosen.uniform(*self._between)):
                return
            self.struck += self._strike()

    def _end(self) -> None:
        self._over.set()
