"""What is being measured, on stderr: a bar on a terminal, a line for each measure elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType

import click

__all__ = ["Progress"]


class Progress:
    """A bar over a known number of steps; used as a context manager."""

    def __init__(self, steps: int) -> None:
        self._head = ""
        self._running = False
        self._shown = sys.stderr.isatty()
        self._bar = click.progressbar(
            length=steps, file=sys.stderr, show_pos=True, item_show_func=lambda item: item
        )

    def __enter__(self) -> Progress:
        if self._shown:
            self._bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            if error is None:
                self._bar.update(int(self._running))
            self._bar.__exit__(kind, error, trace)

    def begin(self, head: str) -> None:
        """Say what the next steps are about."""
        self._head = head
        if not self._shown:
            print(head, file=sys.stderr, flush=True)

    def step(self, text: str) -> None:
        """Say what is measured from now on; the step before is done."""
        if self._shown:
            self._bar.update(int(self._running))
            self._bar.current_item = f"{self._head}: {text}"
            self._bar.render_progress()
        self._running = True
