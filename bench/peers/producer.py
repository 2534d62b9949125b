"""What a library's module says about publishing: one by one, many a call, and how to begin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["AsyncProducer", "SyncProducer"]


def _nothing() -> None:
    return None


async def _anothing() -> None:
    return None


@dataclass(frozen=True)
class SyncProducer:
    """`send` and `many` by kind of job: noop, sleep, slow. `empty` makes a new, empty queue."""

    send: Mapping[str, Callable[[int], object]]
    many: Callable[[str, Sequence[int]], object] | None = None
    empty: Callable[[], object] = _nothing
    open: Callable[[], object] = _nothing
    close: Callable[[], object] = _nothing


@dataclass(frozen=True)
class AsyncProducer:
    """The same for a library whose calls are awaited."""

    send: Mapping[str, Callable[[int], Awaitable[object]]]
    many: Callable[[str, Sequence[int]], Awaitable[object]] | None = None
    empty: Callable[[], Awaitable[object]] = _anothing
    open: Callable[[], Awaitable[object]] = _anothing
    close: Callable[[], Awaitable[object]] = _anothing
