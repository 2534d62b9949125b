"""The port to what is known beside the queue: small facts that are no jobs, as protocols.

A fact has a space (what kind of thing it is), a key in it, and an end. *Telling* facts, as who
works and what was done, may be dropped when a store is late; *guarding* facts are written by
compare-and-set. The contract behind every sentence here is `pulpo.contract.SideContract`. This file
knows no store, no worker, and not what any fact means: that is said in `pulpo.telling`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from pulpo.errors import UnsupportedError, UsageError, WrongTypeError

__all__ = [
    "ABSENT",
    "MOST_VALUE_BYTES",
    "Addition",
    "Fact",
    "KeepsSide",
    "Removal",
    "SideStore",
    "Write",
    "Written",
    "check_additions",
    "check_keys",
    "check_removals",
    "check_space",
    "check_writes",
    "guarding_side",
    "side_of",
]

#: What `Write.expected` says where no such fact may be there.
ABSENT = 0
#: The largest value of one fact.
MOST_VALUE_BYTES = 1_048_576
_MOST_KEY = 500
_SPACE = re.compile(r"[a-z][a-z0-9.-]{0,63}", re.ASCII)

_NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact as it was read.

    `version` is 1 or more, and another one after each change: no two facts of one store, whatever
    became of them, ever have the same one. `left` is how many seconds it has left, None for one
    without an end. A fact that was written has a `value`, one that was counted has `amounts`.
    """

    space: str
    key: str
    version: int
    left: float | None
    value: bytes = b""
    amounts: Mapping[str, float] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A fact to be written; it ends `lasts` seconds from now, None = not by itself.

    With `expected` it is written only where the fact has this version, or is `ABSENT`; without,
    whatever is there.
    """

    space: str
    key: str
    value: bytes
    lasts: float | None
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write: whether it was done, and the fact that is there now, if any."""

    done: bool
    fact: Fact | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What to add to the numbers of a fact, which is made where it is not there.

    It ends `lasts` seconds from its last addition, None = not by itself.
    """

    space: str
    key: str
    amounts: Mapping[str, float]
    lasts: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A fact to be removed, with `expected` only where it has this version."""

    space: str
    key: str
    expected: int | None = None


class SideStore(Protocol):
    """Where facts are kept.

    One thread of one process owns it. A batch is one transaction: all of it is there afterwards, or
    nothing where this raises. Facts whose end has come are nowhere seen, and are absent to a
    compare-and-set. What is written survives a killed process; a power cut may take back the last
    minutes. Raises `QueueUnavailableError` where the store is out of reach and nothing
    was written, another `QueueError` where that is not known, `UsageError` for a wrong value.
    """

    @property
    def is_whole(self) -> bool:
        """Whether all of a queue's workers tell here; False where each host has a store of its own.

        Opens nothing.
        """
        ...

    @property
    def guards(self) -> bool:
        """Whether guarding facts may be kept here: all who are to see them use this store.

        False for a place that each host has for itself. Opens nothing.
        """
        ...

    def write(self, writes: Sequence[Write]) -> Sequence[Written]:
        """Write facts, one after the other; for each, in order, what became of it."""
        ...

    def add(self, additions: Sequence[Addition]) -> None:
        """Add to the numbers of facts; a fact that was written loses its value by that."""
        ...

    def read(self, space: str, keys: Sequence[str]) -> Sequence[Fact | None]:
        """Return the facts with these keys; None for one that is not there."""
        ...

    def scan(
        self, space: str, *, first: str = "", before: str | None = None, limit: int | None = None
    ) -> Sequence[Fact]:
        """Return the facts of a space, by key, from `first` on and `before` a key; up to `limit`.

        Keys are in the order of their bytes in UTF-8.
        """
        ...

    def remove(self, removals: Sequence[Removal]) -> Sequence[bool]:
        """Remove facts; True for each that was there, with the version that was expected."""
        ...

    def close(self) -> None:
        """Let go of the store; twice is once."""
        ...


@runtime_checkable
class KeepsSide(Protocol):
    """What an engine may be beside its doors: one that knows where facts about it are kept."""

    def side(self) -> SideStore | None:
        """Open the store for one thread; it is reached on first use. None where there is none."""
        ...


def side_of(engine: object) -> SideStore | None:
    """Open the side store of an engine for one thread; None for an engine without one."""
    return engine.side() if isinstance(engine, KeepsSide) else None


def guarding_side(engine: object, what: str) -> SideStore:
    """Open the store in which guarding facts are kept; `what` is what needs them, for the error.

    Raises `UnsupportedError` for an engine whose workers share no store. Connects to nothing.
    """
    store = side_of(engine)
    if store is None or not store.guards:
        raise UnsupportedError(
            f"{what} needs a place beside the queue that all workers share; name a file for it in "
            "the queue's URL, like beanstalkd://127.0.0.1:11300?side=sqlite:////var/lib/shop/side.db"
        )
    return store


# What every store checks before it does anything


def check_writes(writes: Sequence[Write]) -> None:
    """Raise `UsageError` for a write that no store takes."""
    for write in writes:
        check_space(write.space)
        check_keys([write.key])
        _check_end(write.lasts)
        if not isinstance(write.value, bytes):
            raise WrongTypeError(f"the value of a fact must be bytes: {write.value!r}")
        if len(write.value) > MOST_VALUE_BYTES:
            raise UsageError(
                f"the value of a fact has up to {MOST_VALUE_BYTES} bytes, not {len(write.value)}: "
                f"{write.key!r}"
            )


def check_additions(additions: Sequence[Addition]) -> None:
    """Raise `UsageError` for an addition that no store takes."""
    for addition in additions:
        check_space(addition.space)
        check_keys([addition.key])
        _check_end(addition.lasts)
        amounts: Mapping[Any, Any] = addition.amounts  # said so, and not believed
        for name, amount in amounts.items():
            if not isinstance(name, str) or type(amount) not in (int, float):
                raise WrongTypeError(f"amounts are numbers by name: {name!r}: {amount!r}")
            if not abs(amount) < 2.0**53:  # neither is NaN
                raise UsageError(f"an amount is a finite number below 2**53: {amount!r}")


def check_removals(removals: Sequence[Removal]) -> None:
    """Raise `UsageError` for a removal that no store takes."""
    for removal in removals:
        check_space(removal.space)
        check_keys([removal.key])


def check_space(space: object) -> None:
    """Raise `UsageError` for what is no space."""
    if not isinstance(space, str) or not _SPACE.fullmatch(space):
        raise UsageError(f"a space is 1 to 64 of a-z 0-9 . - and starts with a letter: {space!r}")


def check_keys(keys: Sequence[object]) -> None:
    """Raise `UsageError` for what is no key."""
    for key in keys:
        if not isinstance(key, str) or not 1 <= len(key) <= _MOST_KEY or not key.isprintable():
            raise UsageError(f"a key is 1 to {_MOST_KEY} printable characters: {key!r}")


def _check_end(lasts: float | None) -> None:
    if lasts is not None and not 0 < lasts < 2.0**32:
        raise UsageError(f"a fact lasts more than 0 seconds and less than 2**32: {lasts!r}")
