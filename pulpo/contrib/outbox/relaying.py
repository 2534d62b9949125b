"""The relay: rows become jobs, the oldest first, and then the rows go.

A row goes only after the queue has accepted its job, under the id that it always had. A row that no
queue will ever take is put aside and keeps nobody else. Knows no database library and no thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulpo.clock import Clock
from pulpo.contrib.outbox.rows import Row, Rows
from pulpo.deferring import kept_message
from pulpo.errors import (
    CodecError,
    NotAcceptedError,
    PulpoError,
    QueueDrainingError,
    QueueError,
    QueueFullError,
    QueueUnavailableError,
)
from pulpo.message import Message
from pulpo.sending import Sender

__all__ = ["Relayed", "relay"]

# So many go out in one flight: an unanswered one is a flight of jobs that may run twice.
_FLIGHT = 100
# What became of a row: published, refused for good (why), or to be tried again later (why).
_Fate = str | QueueError | None


@dataclass(frozen=True, slots=True)
class Relayed:
    """What a relay did: how many jobs it published, how many rows it has put aside.

    `left` says that there may be more; `error` is why it stopped before its time.
    """

    count: int = 0
    refused: int = 0
    left: bool = False
    error: QueueError | None = None


def relay(rows: Rows, sender: Sender, clock: Clock, *, seconds: float) -> Relayed:
    """Publish rows for about so many seconds, at least one flight; raises what a database does."""
    end = clock.monotonic() + seconds
    count = refused = 0
    while True:
        with rows.flight(_FLIGHT) as flight:
            fates = _fates(sender, flight.rows)
            gone = [number for number, fate in fates.items() if fate is None]
            if gone:
                flight.remove(gone)
            for number, fate in fates.items():
                if isinstance(fate, str):
                    flight.put_aside(number, fate)
                    refused += 1
        count += len(gone)
        errors = [fate for fate in fates.values() if isinstance(fate, QueueError)]
        if errors:
            return Relayed(count, refused, left=True, error=errors[0])
        if len(fates) < _FLIGHT:
            return Relayed(count, refused)
        if clock.monotonic() >= end:
            return Relayed(count, refused, left=True)


def _fates(sender: Sender, rows: Sequence[Row]) -> Mapping[int, _Fate]:
    """Publish rows; return what became of each, by its number."""
    fates: dict[int, _Fate] = {}
    messages: dict[int, Message] = {}
    for row in rows:
        try:
            messages[row.number] = kept_message(row.data, sender.codec)
        except CodecError as error:
            fates[row.number] = f"{type(error).__name__}: {error}"
    if messages:
        fates.update(_together(sender, messages))
    return fates


def _together(sender: Sender, messages: Mapping[int, Message]) -> Mapping[int, _Fate]:
    try:
        sender.forward(list(messages.values()))
    except QueueUnavailableError as error:
        return dict.fromkeys(messages, error)
    except PulpoError as error:
        results = getattr(error, "results", ())
        if len(results) == len(messages):
            return {number: _fate(said) for number, said in zip(messages, results, strict=True)}
        # One of them kept all the others from being sent.
        return _one_by_one(sender, messages)
    return dict.fromkeys(messages)


def _one_by_one(sender: Sender, messages: Mapping[int, Message]) -> Mapping[int, _Fate]:
    fates: dict[int, _Fate] = {}
    for number, message in messages.items():
        try:
            sender.forward([message])
            fates[number] = None
        except QueueUnavailableError as error:
            return {**dict.fromkeys(messages, error), **fates}
        except PulpoError as error:
            fates[number] = _fate(error)
    return fates


def _fate(said: object) -> _Fate:
    if not isinstance(said, PulpoError):
        return None
    is_passing = isinstance(said, QueueFullError | QueueDrainingError)
    if isinstance(said, QueueError) and (is_passing or not isinstance(said, NotAcceptedError)):
        return said
    return f"{type(said).__name__}: {said}"
