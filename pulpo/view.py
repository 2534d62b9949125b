"""A job as an operator sees it: what the bytes say, in values that JSON has.

Signatures are not checked for showing, and bytes that are no job are shown too: an operator sees
every job. Pure; knows no queue and no terminal.

How a body becomes JSON: dates, times and datetimes as ISO 8601 text, timedeltas as seconds, UUIDs
and Decimals as text, sets as sorted lists, bytes as `{"base64": "..."}`, NaN and infinities as
text, a map with keys that are not text as a map of their JSON text.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from pulpo.codec import Codec
from pulpo.envelope import UNDECODABLE, Envelope
from pulpo.errors import CodecError, DecodeError
from pulpo.identity import published_at
from pulpo.job import ListedJob, Until

__all__ = ["ShownJob", "as_json", "show"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownJob:
    """One job, decoded; `type` is None where the bytes are no job.

    `problem` says why no worker runs it, apart from its errors. `due` is seconds until a delayed
    job is ready. `error` is the last failure with its traceback, `earlier` has one line for each
    failure before it. `accepted` is the second since the epoch at which the job was published, by
    its id; `age` the seconds that the engine knows it for; `expires` a second since the epoch.
    None where nobody knows. `guards` are the keys that it holds, each with until when: until it is
    "done", has "started", or for so many seconds from its acceptance. `limited` is since which
    second of the epoch it is put back because it was not to start yet, `turn` the one that a rate
    has given it.
    None where nobody knows. `schedule` published it for the second `tick`, None = by hand.
    """

    id: str
    queue: str
    state: str
    type: str | None
    priority: int
    attempt: int
    body: object
    headers: Mapping[str, object]
    error: str | None = None
    earlier: tuple[str, ...] = ()
    due: float = 0.0
    problem: str | None = None
    accepted: float | None = None
    age: float | None = None
    expires: float | None = None
    guards: tuple[tuple[str, Until], ...] = ()
    limited: float | None = None
    turn: float | None = None
    schedule: str | None = None
    tick: float | None = None

    @property
    def origin(self) -> str | None:
        """Which schedule published it, and for when; None for a job that somebody else did."""
        if self.schedule is None:
            return None
        if self.tick is None:
            return f"schedule {self.schedule!r}, by hand"
        moment = datetime.fromtimestamp(self.tick, UTC).isoformat(timespec="seconds")
        return f"schedule {self.schedule!r}, for {moment.replace('+00:00', 'Z')}"

    def as_json(self) -> dict[str, object]:
        """Return the job as values that JSON has; `schedule` only where one published it."""
        found: dict[str, object] = {
            "id": self.id,
            "queue": self.queue,
            "state": self.state,
            "type": self.type,
            "priority": self.priority,
            "attempt": self.attempt,
            "due": round(self.due, 3),
            "body": as_json(self.body),
            "headers": as_json(self.headers),
            "guards": [{"key": key, "until": until} for key, until in self.guards],
            "error": self.error,
            "earlier": list(self.earlier),
            "problem": self.problem,
        }
        if self.schedule is not None:
            found["schedule"] = {"name": self.schedule, "tick": self.tick}
        return found


def show(job: ListedJob, keys: Codec) -> ShownJob:
    """Decode a job for showing; `keys` is the codec whose signing keys a worker would ask for."""
    try:
        envelope = Codec().decode(job.body)
    except DecodeError as error:
        return _undecodable(job, str(error))
    if envelope.type == UNDECODABLE:
        return _wrapped(job, envelope, keys)
    return _decoded(job, envelope, envelope, _problem(envelope, job.body, keys))


def _wrapped(job: ListedJob, wrapper: Envelope, keys: Codec) -> ShownJob:
    """Show what a worker has put aside: a job whose signature it did not trust, or odd bytes."""
    inner = wrapper.body
    try:
        envelope = Codec().decode(inner) if isinstance(inner, bytes) else wrapper
    except DecodeError:
        envelope = wrapper
    if envelope.type == UNDECODABLE:
        return _decoded(job, wrapper, wrapper, "its bytes are not a job")
    assert isinstance(inner, bytes)
    return _decoded(job, envelope, wrapper, _problem(envelope, inner, keys))


def _problem(envelope: Envelope, body: bytes, keys: Codec) -> str | None:
    try:
        if keys.signs:  # else it is decoded already
            keys.decode(body)
    except CodecError as error:
        return str(error)
    if envelope.bounces:
        times = "once" if envelope.bounces == 1 else f"{envelope.bounces} times"
        return f"bounced {times}: unknown type or arguments"
    return None


def _decoded(job: ListedJob, envelope: Envelope, story: Envelope, problem: str | None) -> ShownJob:
    errors = tuple(story.errors)
    return ShownJob(
        id=job.id,
        queue=job.queue,
        state=job.state.value,
        type=None if envelope.type == UNDECODABLE else envelope.type,
        priority=job.priority,
        attempt=1 + envelope.failures,
        limited=envelope.limited,
        turn=envelope.turn,
        body=envelope.body,
        headers=envelope.user_headers(),
        error=errors[-1] if errors else None,
        earlier=errors[:-1],
        due=job.due,
        problem=problem,
        accepted=published_at(job.id),
        age=job.age,
        expires=envelope.expires,
        guards=tuple((key, until) for key, until in envelope.guards),
        schedule=envelope.schedule,
        tick=envelope.tick,
    )


def _undecodable(job: ListedJob, problem: str) -> ShownJob:
    return ShownJob(
        id=job.id,
        queue=job.queue,
        state=job.state.value,
        type=None,
        priority=job.priority,
        attempt=1,
        body=job.body,
        headers={},
        due=job.due,
        problem=problem,
        accepted=published_at(job.id),
        age=job.age,
    )


def as_json(value: object) -> object:
    """Return a decoded value as one that JSON has; the module's docstring has the table."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return _map_as_json(value)
        case list() | tuple():
            return [as_json(item) for item in value]
        case set() | frozenset():
            return sorted((as_json(item) for item in value), key=_sort_key)
    return _scalar_as_json(value)


def _scalar_as_json(value: object) -> object:
    match value:
        case bytes():
            return {"base64": base64.b64encode(value).decode("ascii")}
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
    return str(value)  # UUID, Decimal


def _map_as_json(value: Mapping[object, object]) -> dict[str, object]:
    return {_key(key): as_json(item) for key, item in value.items()}


def _key(key: object) -> str:
    shown = as_json(key)
    return shown if isinstance(shown, str) else json.dumps(shown)


def _sort_key(value: object) -> tuple[str, object]:
    # Numbers by value, all else by its JSON text: a set may hold both.
    return ("", value) if isinstance(value, int | float) else ("text", json.dumps(value))
