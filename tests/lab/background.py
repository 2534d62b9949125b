"""Something that works in a thread of its own for as long as a story lasts; it ends with the story.

Knows when that begins and ends, and not what is done.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

__all__ = ["Background"]

_PATIENCE = 60.0


class Background(ABC):
    """A context manager. What goes wrong in the thread is raised where the story ends."""

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._try)

    @abstractmethod
    def _work(self) -> None:
        """Do it, in the thread, until `_end` was called."""

    @abstractmethod
    def _end(self) -> None:
        """Let `_work` return soon; called from another thread."""

    def _try(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive(), f"{type(self).__name__} does not end"
        if self._error is not None and error is None:
            raise self._error
