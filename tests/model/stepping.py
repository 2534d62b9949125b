"""Workers that are stepped: each stops before every statement that others could see or disturb.

Real adapters on one real file, each in a thread, of which one runs at a time. A worker stops

- before it takes the writers' lock, and is not let on while another holds it;
- before COMMIT;
- before every statement outside of a transaction that writes.

Between its lock and its COMMIT a worker changes nothing that others see, so what it does there is
one step; without the lock every statement is one. Nothing in pulpo knows of this: SQLite itself
calls back before each statement (`sqlite3.Connection.set_trace_callback`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from pulpo.adapters.sqlite.adapter import SQLiteAdapter

__all__ = ["Party", "Turns"]

LOCK = "lock"
PATIENCE = 30.0


class Turns:
    """Whose turn it is; of all threads here exactly one runs at a time."""

    def __init__(self) -> None:
        self.back = threading.Semaphore(0)
        self.free = False
        self.holder: Party | None = None


class Party:
    """Somebody who does one thing after another; `adapter` is None for time itself."""

    def __init__(self, name: str, turns: Turns, adapter: SQLiteAdapter | None = None) -> None:
        self.name = name
        self.adapter = adapter
        self.at: str | None = None
        self.did: list[tuple[str, object]] = []  # statements of the present thing, and what stood
        self.results: list[Any] = []
        self.receipts: list[Any] = []
        self._turns = turns
        self._go = threading.Semaphore(0)
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        if adapter is not None:
            self._hook(adapter)

    def start(self, program: Sequence[Callable[[Party], Any]]) -> None:
        """Begin a program, and stop before its first step."""
        self.at, self.did, self.results, self.receipts, self._error = None, [], [], [], None
        self._thread = threading.Thread(target=self._run, args=(program,), daemon=True)
        self._thread.start()
        self._wait()

    def step(self, stands: object) -> None:
        """Let it take the next step; `stands` is what stands in the file before it."""
        assert self.at is not None
        self.did.append((self.at, stands))
        self._go.release()
        self._wait()

    def may(self) -> bool:
        """Tell whether it has a next step, and nobody in its way."""
        return self.at is not None and (self.at != LOCK or self._turns.holder is None)

    def let_go(self) -> None:
        """Let it go on to its end without stopping, where nobody's turn is waited for any more."""
        self._go.release()

    def finish(self) -> None:
        """Wait for its end, after `let_go`; raise what has gone wrong."""
        assert self._thread is not None
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), f"{self.name} hangs at {self.at!r}"
        while self._go.acquire(blocking=False):
            pass
        if self._error is not None:
            raise self._error

    def pause(self, what: str) -> None:
        """Stop before something, until it is our turn; called in the thread of the party."""
        if self._turns.free or threading.current_thread() is not self._thread:
            return
        self.at = what
        self._turns.back.release()
        self._go.acquire()

    def _wait(self) -> None:
        assert self._turns.back.acquire(timeout=PATIENCE), f"{self.name} hangs after {self.at!r}"

    def _run(self, program: Sequence[Callable[[Party], Any]]) -> None:
        try:
            for thing in program:
                self.did = []
                if self.adapter is None:
                    self.pause("time")
                self.results.append(thing(self))
        except BaseException as error:
            self._error = error
        finally:
            self.at = None
            if not self._turns.free:
                self._turns.back.release()

    def _hook(self, adapter: SQLiteAdapter) -> None:
        database = adapter._database
        connection, lock = database.connection, database._lock
        take, give = lock.take, lock.give

        def take_in_turn(timeout: float) -> bool:
            self.pause(LOCK)
            taken = take(timeout)
            self._turns.holder = self
            return taken

        def give_back() -> None:
            self._turns.holder = None
            give()

        def before(statement: str) -> None:
            mine = self._turns.holder is self
            if statement.startswith("COMMIT") or not (mine or connection.in_transaction):
                self.pause(" ".join(statement.split())[:60])

        lock.take, lock.give = take_in_turn, give_back  # type: ignore[method-assign]
        connection.set_trace_callback(before)
