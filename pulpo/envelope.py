"""A message on its way: all headers, pulpo's own among them, and the body.

A job carries its own story in its headers: `failures`, `errors`, `bounces`. They move with it,
over retries, hosts and engines. This file knows no bytes (`pulpo.codec`) and no queue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from pulpo.errors import DecodeError
from pulpo.identity import MAX_PRIORITY, NORMAL, check_key, check_queue, check_type, is_id
from pulpo.job import Until
from pulpo.message import CONTROL_HEADERS, Message

__all__ = ["DEFAULT_QUEUE", "DEFAULT_TTR", "UNDECODABLE", "Envelope"]

DEFAULT_QUEUE = "default"
DEFAULT_TTR = 60.0
# The type of the envelope in which bytes that are no job travel, so that they too have a story.
UNDECODABLE = "pulpo.undecodable"


@dataclass(frozen=True, slots=True)
class Envelope:
    """Headers and body of one job.

    Control headers that say the usual thing are left out on the wire: priority 65536, queue
    `default`, a ttr of 60 s, no failures.
    """

    headers: Mapping[str, object]
    body: object

    @property
    def type(self) -> str:
        """The job type."""
        return self.headers["type"]  # type: ignore[return-value]  # checked by `check_control`

    @property
    def id(self) -> str | None:
        """The pulpo id; None for a foreign job, whose id is the engine's number."""
        return self.headers.get("id")  # type: ignore[return-value]

    @property
    def queue(self) -> str:
        """The queue that the job was published to."""
        return self.headers.get("queue", DEFAULT_QUEUE)  # type: ignore[return-value]

    @property
    def priority(self) -> int:
        """The priority, 0 = most urgent."""
        return self.headers.get("priority", NORMAL)  # type: ignore[return-value]

    @property
    def ttr(self) -> float:
        """The lease in seconds."""
        return self.headers.get("ttr", DEFAULT_TTR)  # type: ignore[return-value]

    @property
    def expires(self) -> float | None:
        """The second since the epoch from which the job is not run any more."""
        return self.headers.get("expires")  # type: ignore[return-value]

    @property
    def failures(self) -> int:
        """How many runs have failed."""
        return self.headers.get("failures", 0)  # type: ignore[return-value]

    @property
    def errors(self) -> Sequence[str]:
        """One line for each earlier failure, then the last one in full."""
        return self.headers.get("errors", ())  # type: ignore[return-value]

    @property
    def bounces(self) -> int:
        """How often the job met a worker whose code does not know it."""
        return self.headers.get("bounces", 0)  # type: ignore[return-value]

    @property
    def bounced(self) -> float | None:
        """The second since the epoch of the first bounce."""
        return self.headers.get("bounced")  # type: ignore[return-value]

    @property
    def due(self) -> float | None:
        """The second since the epoch that a job with a date was published for."""
        return self.headers.get("due")  # type: ignore[return-value]

    @property
    def early(self) -> int:
        """How often the job was handed out before its date, and put back."""
        return self.headers.get("early", 0)  # type: ignore[return-value]

    @property
    def limited(self) -> float | None:
        """The second since the epoch since when the job is put back: it is not to start yet."""
        return self.headers.get("limited")  # type: ignore[return-value]

    @property
    def turn(self) -> float | None:
        """The second since the epoch that a rate has given the job to start in; asked only once."""
        return self.headers.get("turn")  # type: ignore[return-value]

    @property
    def depth(self) -> int:
        """How many jobs stand above it, each published by a run of the one before."""
        return self.headers.get("depth", 0)  # type: ignore[return-value]

    @property
    def guards(self) -> Sequence[tuple[str, Until]]:
        """The keys that the job holds, and until when each."""
        return self.headers.get("guards", ())  # type: ignore[return-value]

    @property
    def schedule(self) -> str | None:
        """The schedule that published it; None for a job that somebody else did."""
        return self.headers.get("schedule")  # type: ignore[return-value]

    @property
    def tick(self) -> float | None:
        """The second since the epoch for which its schedule published it; None if by hand."""
        return self.headers.get("tick")  # type: ignore[return-value]

    def user_headers(self) -> dict[str, object]:
        """Return the headers that the producer gave."""
        return {name: value for name, value in self.headers.items() if name not in CONTROL_HEADERS}

    def with_headers(self, **changes: object) -> Envelope:
        """Return a copy with these headers set; None removes one."""
        merged = {**self.headers, **changes}
        return Envelope({k: v for k, v in merged.items() if v is not None}, self.body)

    def message(self, *, id: str, queue: str, priority: int) -> Message:
        """Return what the producer published, as a handler sees it."""
        expires = self.expires
        return Message(
            type=self.type,
            body=self.body,
            headers=self.user_headers(),
            queue=queue,
            priority=priority,
            expires=None if expires is None else datetime.fromtimestamp(expires, UTC),
            id=id,
            own_id=False,  # a handler that publishes it once more means another run
        )


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _is_length(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < 2**32  # type: ignore[operator]


def _is_moment(value: object) -> bool:
    # The upper bound is the year 9999, the last one that `datetime` can show.
    return type(value) in (int, float) and 0 <= value <= 253_402_300_799  # type: ignore[operator]


@lru_cache(maxsize=1_024)
def _is_known_type(value: str) -> bool:
    # A worker meets the same few types in every job.
    return _passes(check_type, value)


def _passes(check: Callable[[object], object], value: object) -> bool:
    try:
        check(value)
    except ValueError:
        return False
    return True


def _are_guards(value: object) -> bool:
    return type(value) is list and all(map(_is_guard, value))


def _is_guard(value: object) -> bool:
    match value:
        case [key, "done" | "started"]:
            return _passes(check_key, key)
        case [key, until]:
            return _passes(check_key, key) and _is_length(until) and until != 0
    return False


_CONTROL: dict[str, Callable[[object], bool]] = {
    "type": lambda value: type(value) is str and _is_known_type(value),
    "id": lambda value: type(value) is str and is_id(value),
    "queue": lambda value: _passes(check_queue, value),
    "priority": lambda value: type(value) is int and 0 <= value <= MAX_PRIORITY,
    "ttr": lambda value: type(value) in (int, float) and 0 < value <= 86_400,  # type: ignore[operator]
    "expires": _is_moment,
    "failures": _is_count,
    "errors": lambda value: type(value) is list and all(type(line) is str for line in value),
    "retries": _is_count,
    "timeout": lambda value: _is_length(value) and value != 0,
    "backoff": lambda value: (
        all(map(_is_length, value)) and bool(value) if type(value) is list else _is_length(value)
    ),
    "guards": _are_guards,
    "bounces": _is_count,
    "bounced": _is_moment,
    "depth": _is_count,
    "due": _is_moment,
    "schedule": lambda value: type(value) is str and 0 < len(value) <= 200 and value.isprintable(),
    "tick": _is_moment,
    "early": _is_count,
    "limited": _is_moment,
    "turn": _is_moment,
}


def check_control(headers: Mapping[str, object]) -> None:
    """Raise `DecodeError` naming the first control header that holds nonsense."""
    if "type" not in headers:
        raise DecodeError("the job has no type")
    for name, value in headers.items():
        check = _CONTROL.get(name)
        if check is None:
            if type(name) is not str:
                raise DecodeError(f"a header's name is not text: {str(name)[:100]!r}")
        elif not check(value):
            raise DecodeError(f"header {name!r} is not valid: {str(value)[:100]!r}")
