"""What must become of bytes that somebody has put, body by body, and what has become of them.

`fate_of` is pure and says it before; a `Fates` is told what ran and what is kept, and complains of
a body that ended otherwise, twice, or with another content. Knows neither queue nor worker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

import msgpack

from pulpo.codec import Codec
from pulpo.envelope import UNDECODABLE, Envelope
from pulpo.errors import DecodeError, EncodeError

__all__ = ["End", "Fate", "Fates", "fate_of", "rewritten"]

_CODEC = Codec()
_TRIES = "undecodable after 5 tries"
_MOST_SHOWN = 5


class End(Enum):
    """How a body ends."""

    RUN = "run"
    BURIED = "buried as undecodable"
    # It can be read and its type is nobody's: it waits for other code, for a day.
    WAITS = "unknown to this code"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Fate:
    """How a body must end; `id` is its own, None where the queue gives it one.

    `content` is what must still be in it, however often it was rewritten.
    """

    end: End
    id: str | None
    content: bytes


def fate_of(data: bytes, *, types: Collection[str], now: float) -> Fate:
    """Return how a body must end where a worker knows these types; `now` is since the epoch."""
    envelope: Envelope | None = None
    try:
        envelope = _CODEC.decode(data)
        if envelope.type == UNDECODABLE:
            return _fate_of_wrapper(envelope, types, now)
    except DecodeError:
        return Fate(End.BURIED, None, data)
    return _fate_of_job(envelope, types, now)


def _fate_of_wrapper(wrapper: Envelope, types: Collection[str], now: float) -> Fate:
    """Return the fate of what somebody has put into a wrapper such as pulpo's own."""
    inner = wrapper.body
    try:
        if not isinstance(inner, bytes):
            raise DecodeError("a wrapper holds bytes")
        envelope = _CODEC.decode(inner)
        if envelope.type == UNDECODABLE:
            raise DecodeError("a wrapper in a wrapper")
    except DecodeError:
        return Fate(End.BURIED, wrapper.id, _content(wrapper))
    return _fate_of_job(envelope, types, now)


def _fate_of_job(job: Envelope, types: Collection[str], now: float) -> Fate:
    end = End.RUN
    if job.expires is not None and job.expires <= now:
        end = End.EXPIRED
    elif job.type not in types:
        end = End.WAITS
    return Fate(end, job.id, _content(job))


def rewritten(data: bytes) -> Envelope | None:
    """Return what a worker has written anew to put it aside; None for anything else."""
    try:
        envelope = _CODEC.decode(data)
    except DecodeError:
        return None
    told = envelope.bounces or (envelope.type == UNDECODABLE and _is_given_up(envelope))
    # What a worker writes has an id, even where it came without.
    return envelope if told and envelope.id else None


def _is_given_up(envelope: Envelope) -> bool:
    return bool(envelope.errors) and envelope.errors[-1].startswith(_TRIES)


def _content(envelope: Envelope) -> bytes:
    """Return the part of a job that no worker may change, as bytes: a NaN equals no other."""
    if envelope.type == UNDECODABLE and isinstance(envelope.body, bytes):
        return envelope.body
    try:
        return _CODEC.encode({"type": envelope.type}, envelope.body)
    except EncodeError:  # a value at the very limit, with one header too many
        return bytes(msgpack.packb(envelope.type))


class Fates:
    """The bodies that have not ended, by the id that their jobs have."""

    def __init__(self) -> None:
        self.open: dict[str, Fate] = {}
        #: How many have ended how, as they had to.
        self.ended: Counter[End] = Counter()
        #: How many things of a kind were wrong; and some of them.
        self.wrong: Counter[str] = Counter()
        self._shown: dict[str, list[str]] = {}

    def expect(self, given: str, fate: Fate) -> None:
        """Expect a body whose job the queue calls `given`."""
        name = fate.id or given
        if name in self.open:
            raise ValueError(f"two bodies of one id: {name!r}")
        self.open[name] = fate

    @property
    def waited_for(self) -> int:
        """How many have to be seen yet; of what expires nothing is ever seen."""
        return sum(fate.end is not End.EXPIRED for fate in self.open.values())

    def ran(self, name: str) -> None:
        """A job was run."""
        fate = self.open.pop(name, None)
        if fate is None:
            self._complain("ran again, or were never put", name)
        elif fate.end is not End.RUN:
            self._complain(f"ran, and had to be {fate.end.value}", name)
        else:
            self.ended[End.RUN] += 1

    def is_at_rest(self, found: Envelope, *, buried: bool) -> bool:
        """Tell whether a job that was found rewritten has come to its end, a wrong one maybe."""
        fate = self.open.get(found.id or "")
        return buried or fate is None or fate.end is End.WAITS

    def kept(self, found: Envelope, *, buried: bool) -> None:
        """A job has come to rest in the queue, and was taken out of it."""
        name = found.id or ""
        fate = self.open.pop(name, None)
        end = End.BURIED if buried and _is_given_up(found) else End.WAITS
        if fate is None:
            self._complain("were kept and had ended before, or were never put", name)
        elif fate.end is not end or (buried and end is End.WAITS):
            self._complain(f"were {'buried' if buried else 'kept'}, not {fate.end.value}", name)
        elif _content(found) != fate.content:
            self._complain(f"were {end.value}, with another content", name)
        else:
            self.ended[end] += 1

    def close(self) -> None:
        """The queue is empty: what had to expire has done so, and nothing else may be open."""
        for name, fate in self.open.items():
            if fate.end is End.EXPIRED:
                self.ended[End.EXPIRED] += 1
            else:
                self._complain(f"are gone, not {fate.end.value}", name)
        self.open.clear()

    def complaints(self) -> list[str]:
        """Return what is wrong, if anything."""
        return [
            f"{count} bodies {what}: {', '.join(self._shown[what])}"
            for what, count in self.wrong.items()
        ]

    def _complain(self, what: str, name: str) -> None:
        self.wrong[what] += 1
        shown = self._shown.setdefault(what, [])
        if len(shown) < _MOST_SHOWN:
            shown.append(name)
