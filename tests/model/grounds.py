"""Where the model meets an engine: a fresh queue, a clock that only the test moves, and crashes.

beanstalkd lives by the clock of its process: libfaketime shows it ours, which stands still, so
that delays and pauses are compared to the second like those of the other engines. Where that
library is missing the clock of beanstalkd stands still for the whole test, and what is delayed is
seen and kicked there, but not awaited.

Now and then beanstalkd loses the timer of a connection, and with it its answer to a poll: it would
come with the next command on that connection, which waits for it. A program that meets this is
given up, and counted (`Stalled`).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, cast

import greenstalk

from pulpo.adapter import Engine, QueueAdapter, QueueAdmin
from pulpo.adapters.beanstalkd import BeanstalkdEngine
from pulpo.adapters.beanstalkd.adapter import BeanstalkdAdapter
from pulpo.adapters.beanstalkd.switchboard import Switchboard
from pulpo.adapters.beanstalkd.walking import Found, pulpo_id
from pulpo.adapters.memory import MemoryEngine
from pulpo.adapters.memory.adapter import MemoryAdapter
from pulpo.adapters.postgresql import PostgreSQLEngine
from pulpo.adapters.postgresql.adapter import PostgreSQLAdapter
from pulpo.adapters.shards.adapter import ShardedAdapter
from pulpo.adapters.shards.engine import ShardedEngine
from pulpo.adapters.shards.numbers import place_of
from pulpo.adapters.sqlite import SQLiteEngine
from pulpo.adapters.sqlite.adapter import SQLiteAdapter
from pulpo.clock import ManualClock
from pulpo.queue_url import QueueURL
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.needs import find_faketime
from tests.lab.postgresql import emptied, end_session, shared_postgresql
from tests.model.traits import Traits
from tests.model.wishes import QUEUES

__all__ = ["GROUNDS", "Ground", "Stalled"]

MAX_BODY = 200
NOWHERE = "nowhere"


# Real seconds without an answer; a server on a busy machine is slow, and not stalled.
LONGEST_SILENCE = 15.0


class Stalled(Exception):
    """A server owes an answer for so long that it will not come."""


class Ground(Protocol):
    """An engine to be compared; what it cannot do is in its flags, so that no rule tries it."""

    traits: Traits
    clock: ManualClock
    ttrs: tuple[float, ...]
    seconds: tuple[float, ...]  # by which the clock may move; none where it can't
    jumps: tuple[float, ...]  # by which the clock on the wall may be set
    reboots: bool
    cuts: bool

    def open(self) -> QueueAdapter:
        """Open a door."""
        ...

    def admin(self) -> QueueAdmin:
        """Open a door for an operator."""
        ...

    def lines(self, admin: QueueAdmin, ids: Sequence[str]) -> dict[str, int]:
        """Tell in which line each of these jobs lies, where there are several."""
        ...

    def orphans(self, adapter: QueueAdapter) -> set[str]:
        """Tell which jobs it still has to take back, from servers that it has not asked yet."""
        ...

    def moved(self) -> None:
        """Note that the clock was moved."""
        ...

    def resumed(self) -> None:
        """Let the moment pass that the end of a pause takes."""
        ...

    def crash(self, adapter: QueueAdapter) -> None:
        """End an owner without a word."""
        ...

    def cut(self, adapter: QueueAdapter) -> None:
        """Cut an owner's connection, and let it notice."""
        ...

    def close(self) -> None:
        """End the engine with everything that belongs to it."""
        ...


class _Ground:
    ttrs: tuple[float, ...] = (1.0, 8.0, 60.0)
    seconds: tuple[float, ...] = (0.25, 1.0, 2.0, 10.0, 60.0)
    jumps: tuple[float, ...] = ()
    reboots = False
    cuts = False
    traits: Traits
    engine: Engine

    def __init__(self) -> None:
        self.clock = ManualClock()

    def open(self) -> QueueAdapter:
        return self.engine.adapter()

    def admin(self) -> QueueAdmin:
        return self.engine.admin()

    def lines(self, admin: QueueAdmin, ids: Sequence[str]) -> dict[str, int]:
        return {}

    def orphans(self, adapter: QueueAdapter) -> set[str]:
        return set()

    def moved(self) -> None:
        """Nothing else has to know."""

    def resumed(self) -> None:
        """The end of a pause takes no time."""

    def cut(self, adapter: QueueAdapter) -> None:
        raise NotImplementedError("this engine has no connections")

    def close(self) -> None:
        """There is nothing outside of this process."""


class _Memory(_Ground):
    traits = Traits(max_body=MAX_BODY)
    jumps = (100.0, 1.0, -1.0, -100.0)

    def __init__(self, folder: Path) -> None:
        super().__init__()
        url = QueueURL.parse(f"memory://?max_job_size={MAX_BODY}")
        self.engine = MemoryEngine(url, clock=self.clock)

    def crash(self, adapter: QueueAdapter) -> None:
        cast(MemoryAdapter, adapter).crash()


class _SQLite(_Ground):
    traits = Traits(
        max_body=MAX_BODY,
        born=lambda place, copy: (place, int(not copy)),
        edits_in_place=True,
        dead_may_wait=True,
        renews_what_was_seen=True,
    )
    # Not back: the file asks the wall again each time, and what was due, or a pause that has ended,
    # waits again then. The others remember that it was.
    jumps = (100.0, 1.0)
    reboots = True

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder / "queue"
        # What survives a power cut is shown elsewhere: here nobody pulls the plug.
        url = f"sqlite:///{self._folder}/queue.db?sync=normal&max_job_size={MAX_BODY}"
        self.engine = SQLiteEngine(QueueURL.parse(url), clock=self.clock)

    def crash(self, adapter: QueueAdapter) -> None:
        cast(SQLiteAdapter, adapter)._trader.membership.die()

    def close(self) -> None:
        for path in sorted(self._folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


class _Beanstalkd(_Ground):
    traits = Traits(
        max_body=MAX_BODY,
        grain=1.0,
        batches=False,
        born=lambda place, copy: (int(copy), place),
        lease_ends=False,
        drops_pauses=True,
        goes_plain=True,
        retakes=True,
    )
    ttrs = (1_000_000.0,)
    cuts = True
    servers = 1

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._time = folder / "time"
        self._last_beat = self._waits_since = 0.0
        library = find_faketime()
        self.seconds = (1.0, 2.0, 10.0, 60.0) if library else ()
        self._write_time()
        urls = [self._start(library) for _ in range(self.servers)]
        engines = [BeanstalkdEngine(QueueURL.parse(url), clock=self.clock) for url in urls]
        self._pokers = [engine.admin() for engine in engines]
        for poker in self._pokers:
            self._stack.callback(poker.close)
        self.engine = self._engine(urls)

    def open(self) -> QueueAdapter:
        return self.engine.adapter(beat=self._beat)

    def moved(self) -> None:
        self._write_time()
        # A server looks at its clock between two commands: this is the first of them.
        for poker in self._pokers:
            poker.stats(NOWHERE)

    def resumed(self) -> None:
        # To resume is to pause for a nanosecond: on a clock that stands still it never ends.
        if self.seconds:
            self.clock.advance(1.0)
            self.moved()

    def crash(self, adapter: QueueAdapter) -> None:
        # What the kernel does with the sockets of a dead process.
        links = [link for board in self._boards(adapter) for link in board.links]
        for link in links:
            link.sock.shutdown(socket.SHUT_WR)
        for link in links:
            _wait_for_its_end(link.sock)

    def cut(self, adapter: QueueAdapter) -> None:
        self.crash(adapter)
        for board in self._boards(adapter):
            for link in list(board.links):
                board.drop(link)  # as when the next command finds it so

    def close(self) -> None:
        self._stack.close()

    def _engine(self, urls: Sequence[str]) -> Engine:
        return BeanstalkdEngine(QueueURL.parse(urls[0]), clock=self.clock)

    def _boards(self, adapter: QueueAdapter) -> list[Switchboard]:
        return [cast(BeanstalkdAdapter, adapter)._board]

    def _start(self, library: str | None) -> str:
        environ = {
            "LD_PRELOAD": library or "",
            "FAKETIME_TIMESTAMP_FILE": str(self._time),
            "FAKETIME_NO_CACHE": "1",
            "TZ": "UTC",
        }
        server = Beanstalkd("-z", str(MAX_BODY), environ=environ if library else {})
        return self._stack.enter_context(server).url

    def _beat(self) -> None:
        """Take note that an answer is waited for; each wait in the kernel is a second at most."""
        now = time.monotonic()
        if now - self._last_beat > 2 or now - self._last_beat < 0.5:  # not a wait in full
            self._waits_since = now
        self._last_beat = now
        if now - self._waits_since > LONGEST_SILENCE:
            raise Stalled

    def _write_time(self) -> None:
        now = datetime.fromtimestamp(self.clock.wall(), UTC)
        self._time.write_text(now.strftime("%Y-%m-%d %H:%M:%S"))


class _Beanstalkds(_Beanstalkd):
    traits = replace(_Beanstalkd.traits, drops_pauses=False, lines=True)
    servers = 2

    def open(self) -> QueueAdapter:
        adapter = cast(ShardedAdapter, super().open())
        adapter._turn = 0  # in place of one by chance: the same program does the same again
        return adapter

    def lines(self, admin: QueueAdmin, ids: Sequence[str]) -> dict[str, int]:
        return {job.id: place_of(job.number) for job in admin.peek(ids) if job is not None}

    def orphans(self, adapter: QueueAdapter) -> set[str]:
        left = (job for board in self._boards(adapter) for job in board.orphans.values())
        return {cast(str, pulpo_id(Found(job.number, job.body))) for job in left}

    def _start(self, library: str | None) -> str:
        url = super()._start(library)
        # As by workers, queues are served on each server, so that each knows them and their pauses.
        address = ("127.0.0.1", QueueURL.parse(url).port)
        client = greenstalk.Client(address, watch=[*QUEUES])
        self._stack.callback(client.close)
        return url

    def _engine(self, urls: Sequence[str]) -> Engine:
        names = ",".join(url.removeprefix("beanstalkd://") for url in urls)
        return ShardedEngine(QueueURL.parse(f"beanstalkd://{names}"), clock=self.clock)

    def _boards(self, adapter: QueueAdapter) -> list[Switchboard]:
        return [server.door._board for server in cast(ShardedAdapter, adapter)._members]


class _PostgreSQL(_Ground):
    traits = Traits(
        max_body=MAX_BODY,
        born=lambda place, copy: (place, int(not copy)),
        edits_in_place=True,
        dead_may_wait=True,
        renews_what_was_seen=True,
    )

    def __init__(self, folder: Path) -> None:
        super().__init__()
        url = f"{emptied(shared_postgresql())}&max_job_size={MAX_BODY}"
        self.engine = PostgreSQLEngine(QueueURL.parse(url), clock=self.clock)

    def crash(self, adapter: QueueAdapter) -> None:
        link = cast(PostgreSQLAdapter, adapter)._link
        if link.is_open:
            end_session(link.connection)


def _wait_for_its_end(sock: socket.socket) -> None:
    """Wait until the server has closed its side: then it has given back what was held there."""
    sock.settimeout(LONGEST_SILENCE)
    with suppress(ConnectionError):
        while sock.recv(65_536):
            pass


GROUNDS: dict[str, Callable[[Path], Any]] = {
    "memory": _Memory,
    "sqlite": _SQLite,
    "beanstalkd": _Beanstalkd,
    "beanstalkds": _Beanstalkds,
    "postgresql": _PostgreSQL,
}
