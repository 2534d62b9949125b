"""Something that strikes again and again while a story goes on, with a seed.

Knows when, not what: the strike is the caller's.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from types import TracebackType

__all__ = ["Killer"]


class Killer:
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
        self.struck = 0
        self._strike = strike
        self._chosen = chosen
        self._between = between
        self._most = most
        self._over = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    @property
    def is_done(self) -> bool:
        """Whether it will not strike any more."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while self.struck < self._most:
                if self._over.wait(self._chosen.uniform(*self._between)):
                    return
                self.struck += self._strike()
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error
