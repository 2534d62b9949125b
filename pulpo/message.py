"""What a producer asks for: a type, a body, headers, and when, where and how urgently.

A message knows nothing of bytes, queues or handlers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pulpo.duration import Duration, seconds
from pulpo.errors import UsageError, WrongTypeError
from pulpo.identity import check_id, check_priority, check_queue, check_type, new_id, new_ids
from pulpo.retry import check_retries, spoken_backoff
from pulpo.unique import Unique, check_unique

__all__ = [
    "CONTROL_HEADERS",
    "Message",
    "check_headers",
    "check_moment",
    "check_ttr",
    "with_control",
]

# Written by pulpo itself on the wire; a producer's own headers keep clear of them.
CONTROL_HEADERS = frozenset(
    {
        "backoff",
        "bounced",
        "bounces",
        "depth",
        "due",
        "early",
        "errors",
        "expires",
        "failures",
        "guards",
        "id",
        "limited",
        "priority",
        "queue",
        "retries",
        "schedule",
        "tick",
        "timeout",
        "ttr",
        "turn",
        "type",
    }
)
# What stands for an id that nobody chose; told from every text that somebody did by what it is.
_A_NEW_ONE = str(b"a new one", "ascii")
_SHORTEST_TTR, _LONGEST_TTR = 5.0, 86_400.0
# 136 years: what beanstalkd can count. One rule on all engines, or a move would fail at run time.
_LONGEST_DELAY = 2.0**32 - 1


class Likeness:
    """What messages that differ only in body and id share: one object, for all of them.

    Whoever makes them into jobs keeps here what it has worked out for all of them.
    """

    __slots__ = ("mold", "was_met")

    def __init__(self) -> None:
        self.mold: object = None
        self.was_met = False


class _Alike:
    """A place beside the fields of a message, which no comparison, copy or pickle sees."""

    __slots__ = ("likeness",)

    likeness: Likeness | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(_Alike):
    """A request for one job.

    `queue`, `priority`, `ttr` and `expires` left out (None) are those of the job type, if this
    process knows it, else `"default"`, 65536, 60 seconds and never. `delay` counts from
    acceptance, `at` is an aware datetime; give one of them or none. `expires` is a duration from
    acceptance or an aware datetime. `retries`, `timeout` and `backoff` (seconds, or a list of
    them) are rules for this one job, in place of those of its type. `id` is made here, once:
    publishing the same message twice is the same job twice.

    An `id` that is given is its caller's own (`own_id`), and one job: published again within a day
    it adds nothing, also when the first has run. `unique` is said for this one job in place of what
    its type says, False = not at all. Both need a queue that keeps guards.
    """

    type: str
    body: object = None
    headers: Mapping[str, object] = field(default_factory=dict)
    queue: str | None = None
    priority: int | None = None
    delay: Duration | None = None
    at: datetime | None = None
    expires: Duration | datetime | None = None
    ttr: Duration | None = None
    retries: int | None = None
    timeout: Duration | None = None
    backoff: Duration | Sequence[Duration] | None = None
    unique: Unique | bool | None = None
    id: str = _A_NEW_ONE
    own_id: bool | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.id is _A_NEW_ONE:
            object.__setattr__(self, "id", new_id())
            object.__setattr__(self, "own_id", False)
        elif self.own_id is None:
            object.__setattr__(self, "own_id", True)
        if self.unique is not None:
            object.__setattr__(self, "unique", check_unique(self.unique))
        check_type(self.type)
        check_headers(self.headers)
        if self.queue is not None:
            check_queue(self.queue)
        if self.priority is not None:
            check_priority(self.priority)
        if self.ttr is not None:
            check_ttr(self.ttr)
        _check_times(self.delay, self.at, self.expires)
        _check_rules(self.retries, self.timeout, self.backoff)
        check_id(self.id)

    def with_body(
        self, body: object, *, id: str | None = None, own_id: bool | None = False
    ) -> Message:
        """Return a new message like this one: another body, an id of its own (or `id`, a new one).

        Nothing is checked again, which makes it five times as fast as a call of the class.
        """
        copy = object.__new__(Message)
        _set_type(copy, self.type)
        _set_body(copy, body)
        _set_headers(copy, self.headers)
        _set_queue(copy, self.queue)
        _set_priority(copy, self.priority)
        _set_delay(copy, self.delay)
        _set_at(copy, self.at)
        _set_expires(copy, self.expires)
        _set_ttr(copy, self.ttr)
        _set_retries(copy, self.retries)
        _set_timeout(copy, self.timeout)
        _set_backoff(copy, self.backoff)
        _set_unique(copy, self.unique)
        _set_id(copy, id or new_id())
        _set_own_id(copy, own_id)
        _set_likeness(copy, getattr(self, "likeness", None))
        return copy

    def with_bodies(self, bodies: Sequence[object]) -> list[Message]:
        """Return a message like this one for each body, all with new ids unless it has its own.

        Raises `UsageError` where one id would be that of several.
        """
        if self.own_id:
            if len(bodies) > 1:
                raise UsageError(f"an id is that of one job: {self.id!r}")
            return [self.with_body(body, id=self.id, own_id=True) for body in bodies]
        ids = new_ids(len(bodies))
        return [self.with_body(body, id=new) for body, new in zip(bodies, ids, strict=True)]

    def as_template(self) -> Message:
        """Return this message with a likeness of its own, for `with_body`."""
        _set_likeness(self, Likeness())
        return self

    def with_headers(self, headers: Mapping[str, object]) -> Message:
        """Return the same message, with the same id, and these headers added to its own.

        For middleware that sends something along. Raises `UsageError` for a name of pulpo's own.
        """
        copy = self.with_body(self.body, id=self.id, own_id=self.own_id)
        _set_headers(copy, {**self.headers, **check_headers(headers)})
        _set_likeness(copy, None)
        return copy


# The slots of a frozen class, by the way round its __setattr__: two thirds of a call of it.
_slot = {name: Message.__dict__[name].__set__ for name in Message.__slots__}
_set_type, _set_body, _set_headers = _slot.pop("type"), _slot.pop("body"), _slot.pop("headers")
_set_queue, _set_priority, _set_ttr = _slot.pop("queue"), _slot.pop("priority"), _slot.pop("ttr")
_set_at, _set_expires, _set_delay = _slot.pop("at"), _slot.pop("expires"), _slot.pop("delay")
_set_retries, _set_timeout = _slot.pop("retries"), _slot.pop("timeout")
_set_backoff, _set_id = _slot.pop("backoff"), _slot.pop("id")
_set_unique, _set_own_id = _slot.pop("unique"), _slot.pop("own_id")
assert not _slot, f"a message with another body has no {list(_slot)}"
_set_likeness = _Alike.__dict__["likeness"].__set__


def with_control(message: Message, headers: Mapping[str, object]) -> Message:
    """Return the same message with control headers, which producers cannot give: for pulpo."""
    copy = message.with_body(message.body, id=message.id)
    _set_headers(copy, {**message.headers, **headers})
    _set_likeness(copy, None)
    return copy


def check_headers(headers: object) -> Mapping[str, object]:
    """Return a producer's headers, or say what is wrong with them."""
    if not isinstance(headers, Mapping):
        raise WrongTypeError(f"headers must be a mapping of text to values: {headers!r}")
    for name in headers:
        if not isinstance(name, str):
            raise WrongTypeError(f"a header's name must be text: {name!r}")
        if name in CONTROL_HEADERS:
            raise UsageError(f"header {name!r} is pulpo's own; choose another name")
    return headers


def _check_times(delay: object, at: object, expires: object) -> None:
    if delay is not None and at is not None:
        raise UsageError(f"give delay or at, not both: {delay!r}, {at!r}")
    if delay is not None:
        seconds(delay, "delay", at_most=_LONGEST_DELAY)  # type: ignore[arg-type]  # it says so
    if at is not None:
        check_moment(at, "at")
    if isinstance(expires, datetime):
        check_moment(expires, "expires")
    elif expires is not None:
        seconds(expires, "expires")  # type: ignore[arg-type]  # says itself what is wrong


def _check_rules(
    retries: object, timeout: Duration | None, backoff: Duration | Sequence[Duration] | None
) -> None:
    if retries is not None:
        check_retries(retries)
    if timeout is not None and seconds(timeout, "timeout") == 0:
        raise UsageError(f"timeout must be more than 0: {timeout!r}")
    if backoff is not None:
        spoken_backoff(backoff)


def check_moment(value: object, name: str) -> float:
    """Return an aware datetime as seconds since the epoch, or say what is wrong with it."""
    if not isinstance(value, datetime):
        raise WrongTypeError(f"{name} must be an aware datetime: {value!r}")
    if value.utcoffset() is None:
        raise UsageError(
            f"{name} must say its time zone, for example datetime(..., tzinfo=UTC): {value!r}"
        )
    return (value - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)


def check_ttr(value: Duration) -> float:
    """Return the lease in seconds, or say what is wrong with it."""
    result = seconds(value, "ttr")
    if not _SHORTEST_TTR <= result <= _LONGEST_TTR:
        raise UsageError(f"ttr must be 5s to 1d: {value!r}")
    return result
