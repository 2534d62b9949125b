"""A line to beanstalkd with every fault that a network has, and some that only a bad proxy has.

    with BadLine(port, chosen) as line:
        ...                            # clients talk to 127.0.0.1:line.port
    line.faults, line.dealings, line.unclosed(10)

Each connection meets one fault after another, at replies that the dice choose. The line reads along
on both sides: what each client has told the server to do, and whether a client whose reply was
broken, so that it could know, has closed the connection. Knows nothing of pulpo but its ids.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from types import TracebackType

from tests.lab.wire import Commands, Replies, is_legal, pulpo_id

__all__ = ["KINDS", "BadLine", "Dealing"]

# How often each is chosen. The slow ones less: everybody waits for them.
KINDS = {
    "latency": 1,
    "10 KB/s": 1,
    "1 byte/s": 1,
    "blackhole": 1,
    "silence": 1,
    "refused": 2,
    "reset": 4,
    "cut command": 4,
    "half-close": 4,
    "cut reply": 4,
    "garbage": 4,
    "swapped": 4,
    "duplicated": 4,
}
_AT_THE_DOOR = ("silence", "refused")
# Up to so many replies pass between two faults of a connection.
_MOST_BETWEEN = 30
_GARBAGE = (
    b"\r\n",
    b"INSERTED\r\n",
    b"INSERTED x\r\n",
    b"RESERVED 5\r\n",
    b"RESERVED 5 -1\r\nx\r\n",
    b"RESERVED 5 99999999999\r\n",
    b"OK 99999999999\r\n",
    b"DELETED 5\r\n",
    b"deleted\r\n",
    b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
    b"\x00\r\n",
)
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Dealing:
    """A number that a server or a client has named: `put`, `reserved`, or a client's `delete`."""

    at: float
    what: str
    number: int
    id: str = ""


@dataclass(slots=True)
class _Seen:
    """A connection as its client can see it: replies in the order of the commands they answer."""

    number: int
    commands: deque[bytes] = field(default_factory=deque)
    replies: deque[bytes] = field(default_factory=deque)
    inserted: int = 0
    broken_at: float | None = None
    closed_at: float | None = None
    used_at: float = 0.0

    def pair(self) -> None:
        """Give each reply to the command that it must be taken for; note the first odd one."""
        while self.commands and self.replies:
            command, reply = self.commands.popleft(), self.replies.popleft()
            odd = not is_legal(command, reply)
            if reply.startswith(b"INSERTED ") and not odd:
                number = reply.split()[1]
                odd = not number.isdigit() or int(number) <= self.inserted
                self.inserted = self.inserted if odd else int(number)
            if odd and self.broken_at is None:
                self.broken_at = time.monotonic()


class BadLine:
    """Listens on a free port and passes everything on, badly; a context manager.

    `faults` counts what it has done, by kind, `dealings` is what was put, reserved and deleted.
    """

    def __init__(self, port: int, chosen: random.Random) -> None:
        self._target = port
        self.chosen = chosen
        self._deck = _Deck(chosen)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._ready = threading.Event()
        self._over: asyncio.Event
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen: list[_Seen] = []
        self.port = 0
        self.faults: Counter[str] = Counter()
        self.dealings: list[Dealing] = []
        self._good = threading.Event()

    @property
    def url(self) -> str:
        """The server's address on this line."""
        return f"beanstalkd://127.0.0.1:{self.port}"

    def heal(self) -> None:
        """Make no new fault from now on."""
        self._good.set()

    def unclosed(self, seconds: float) -> list[int]:
        """Return the connections that their clients kept so long after a reply that was broken."""
        now = time.monotonic()
        return [
            seen.number
            for seen in list(self._seen)
            if seen.broken_at is not None and (seen.closed_at or now) > seen.broken_at + seconds
        ]

    def used_again(self, seconds: float) -> list[int]:
        """Return the connections on which commands came so long after a reply that was broken."""
        return [
            seen.number
            for seen in list(self._seen)
            if seen.broken_at is not None and seen.used_at > seen.broken_at + seconds
        ]

    @property
    def broken(self) -> int:
        """On how many connections the client could see that a reply was broken."""
        return sum(seen.broken_at is not None for seen in list(self._seen))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._over = asyncio.Event()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        self._server.close()
        await asyncio.sleep(0.01)  # who was let in last has begun, and will end what it has opened
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # the loop itself closes what is aborted, a turn later

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plan = _Plan(self._deck, self._good)
        if plan.kind == "silence":
            self.faults["silence"] += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(8):
                    while await reader.read(65_536):
                        pass
            return
        if plan.kind == "refused":
            await self._refuse()
            plan.choose()
        inner, outer = await asyncio.open_connection("127.0.0.1", self._target)
        seen = _Seen(len(self._seen))
        self._seen.append(seen)
        try:
            await _Line(self, seen, plan, reader, writer, inner, outer).pass_on()
        finally:
            outer.transport.abort()

    async def _refuse(self) -> None:
        """Listen to nobody for a moment: who connects now is refused."""
        self.faults["refused"] += 1
        self._server.close()
        await asyncio.sleep(self.chosen.uniform(0.05, 0.3))
        if not self._over.is_set() and not self._server.is_serving():
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    def __enter__(self) -> BadLine:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)


class _Deck:
    """The kinds of fault in a chosen order, dealt again and again: each has its turn."""

    def __init__(self, chosen: random.Random) -> None:
        self.chosen = chosen
        self._cards: list[str] = []
        self._at_the_door: list[str] = []

    def deal(self, *, connecting: bool) -> str:
        """Return the next kind; of those that only who connects can meet, only then."""
        if connecting and self._at_the_door:
            return self._at_the_door.pop()
        while (card := self._draw()) in _AT_THE_DOOR and not connecting:
            self._at_the_door.append(card)
        return card

    def _draw(self) -> str:
        if not self._cards:
            self._cards = [kind for kind, times in KINDS.items() for _ in range(times)]
            self.chosen.shuffle(self._cards)
        return self._cards.pop()


class _Plan:
    """Which fault comes next on a connection, and before how many replies."""

    def __init__(self, deck: _Deck, good: threading.Event) -> None:
        self._deck = deck
        self._good = good
        self.choose(connecting=True)

    def choose(self, *, connecting: bool = False) -> None:
        """Choose again."""
        self.kind = "" if self._good.is_set() else self._deck.deal(connecting=connecting)
        self.left = self._deck.chosen.randrange(_MOST_BETWEEN)

    def is_due(self) -> bool:
        """Count a reply; tell whether this one is to meet the fault."""
        self.left -= 1
        return bool(self.kind) and self.left < 0 and not self._good.is_set()


class _Line:
    """One connection: two tasks, one for each way."""

    def __init__(
        self,
        owner: BadLine,
        seen: _Seen,
        plan: _Plan,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        inner: asyncio.StreamReader,
        outer: asyncio.StreamWriter,
    ) -> None:
        self._owner, self._seen, self._plan = owner, seen, plan
        self._chosen = owner.chosen
        self._client_in, self._client_out = reader, writer
        self._server_in, self._server_out = inner, outer
        # What the server is asked and has not answered yet, in its order.
        self._asked: deque[bytes] = deque()
        self._open = asyncio.Event()
        self._open.set()
        self._cuts = False
        self._slow_until = 0.0
        self._rate: float | None = None

    async def pass_on(self) -> None:
        ways = [asyncio.create_task(self._up()), asyncio.create_task(self._down())]
        try:
            # Until the client has gone: that it does is looked for.
            await ways[0]
            self._seen.closed_at = time.monotonic()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _up(self) -> None:
        commands = Commands()
        with contextlib.suppress(ConnectionError):
            while data := await self._client_in.read(65_536):
                self._seen.used_at = time.monotonic()
                await self._open.wait()
                await self._delay(len(data))
                if self._cuts:
                    # Whatever comes next is cut, in the middle of it.
                    data = data[: self._chosen.randrange(len(data))]
                for command in commands.feed(data):
                    self._ask(command)
                self._server_out.write(data)
                await self._server_out.drain()
                if self._cuts:
                    self._reset()
                    return

    def _ask(self, command: bytes) -> None:
        self._asked.append(command)
        self._seen.commands.append(command)
        self._seen.pair()
        if command.startswith(b"delete "):
            dealing = Dealing(time.monotonic(), "delete", int(command.split()[1]))
            self._owner.dealings.append(dealing)

    async def _down(self) -> None:
        replies = Replies()
        held = b""
        with contextlib.suppress(ConnectionError):
            while data := await self._server_in.read(65_536):
                for reply in replies.feed(data):
                    self._note(self._asked.popleft(), reply)
                    if held:
                        await self._tell(reply, held)
                        held = b""
                    elif not self._plan.is_due():
                        await self._tell(reply)
                    elif self._plan.kind == "swapped":
                        held = self._hold(reply)
                        if not held:
                            await self._tell(reply)
                    elif not await self._harm(reply):
                        return

    def _hold(self, reply: bytes) -> bytes:
        """Keep a reply back if another will follow that is not the same."""
        if not self._asked or self._asked[0].startswith(b"reserve-with-timeout"):
            return b""  # alone, it would be a wait and no swap
        self._fault("swapped")
        return reply

    def _note(self, command: bytes, reply: bytes) -> None:
        words = reply.partition(b"\r\n")[0].split()
        if words[0] == b"INSERTED":
            dealing = Dealing(time.monotonic(), "put", int(words[1]), pulpo_id(command))
            self._owner.dealings.append(dealing)
        elif words[0] == b"RESERVED":
            dealing = Dealing(time.monotonic(), "reserved", int(words[1]), pulpo_id(reply))
            self._owner.dealings.append(dealing)

    def _fault(self, kind: str) -> None:
        self._owner.faults[kind] += 1
        self._plan.choose()

    async def _tell(self, *replies: bytes) -> None:
        await self._open.wait()
        for reply in replies:
            self._seen.replies.append(reply)
        data = b"".join(replies)
        await self._delay(len(data))
        self._client_out.write(data)
        self._seen.pair()
        await self._client_out.drain()

    async def _delay(self, size: int) -> None:
        if time.monotonic() < self._slow_until:
            await asyncio.sleep(
                self._chosen.uniform(0, 0.4) if self._rate is None else size / self._rate
            )

    async def _harm(self, reply: bytes) -> bool:
        """Do the fault that is due to a reply; False where nothing follows it any more."""
        kind = self._plan.kind
        self._fault(kind)
        if kind in ("latency", "10 KB/s"):
            self._rate = None if kind == "latency" else 10_000
            self._slow_until = time.monotonic() + 2
            await self._tell(reply)
        elif kind == "1 byte/s":
            await self._drip(reply)
        elif kind == "blackhole":
            return await self._swallow(reply)
        elif kind == "duplicated":
            await self._tell(reply, reply)
        elif kind == "garbage":
            await self._tell(self._garbage())
        elif kind == "cut command":
            self._cuts = True
            await self._tell(reply)
        else:
            await self._end(kind, reply)
            return False
        return True

    async def _drip(self, reply: bytes) -> None:
        most = min(len(reply) - 1, 3)
        for at in range(most):
            self._client_out.write(reply[at : at + 1])
            await asyncio.sleep(1)
        self._seen.replies.append(reply)
        self._client_out.write(reply[most:])
        self._seen.pair()

    async def _swallow(self, reply: bytes) -> bool:
        """Let nothing through for a while; then all that waits, or nothing ever."""
        self._open.clear()
        await asyncio.sleep(self._chosen.uniform(0.2, 6))
        self._open.set()
        if self._chosen.random() < 0.5:
            self._reset()
            return False
        await self._tell(reply)
        return True

    def _garbage(self) -> bytes:
        if self._chosen.random() < 0.5:
            return self._chosen.choice(_GARBAGE)
        return b"\xff" + self._chosen.randbytes(self._chosen.randrange(200)) + b"\r\n"

    async def _end(self, kind: str, reply: bytes) -> None:
        part = 0 if kind == "half-close" else self._chosen.randrange(len(reply))
        self._client_out.write(reply[:part])
        if kind == "reset":
            self._reset()
            return
        if self._seen.broken_at is None:
            self._seen.broken_at = time.monotonic()
        self._client_out.write_eof()

    def _reset(self) -> None:
        found: socket.socket = self._client_out.get_extra_info("socket")
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._client_out.transport.abort()
        self._server_out.transport.abort()
