"""What makes a job unique: by which of its values, how long, and what becomes of a second one.

A value, and the key that it makes of a job's type and values. Pure; who holds a key is the queue's
affair, see `pulpo.job.Guard`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, cast

from pulpo.canonical import canonical
from pulpo.duration import Duration, seconds
from pulpo.errors import UnknownOptionError, UsageError, WrongTypeError
from pulpo.job import Until
from pulpo.spelling import closest

__all__ = ["OnConflict", "Unique", "check_unique"]

OnConflict: TypeAlias = Literal["skip", "replace", "reschedule"]

Named: TypeAlias = Callable[[object], object]

_OPTIONS = ("by", "until", "on_conflict")
_CONFLICTS = ("skip", "replace", "reschedule")
_LONGEST = 2.0**32 - 1  # as long as a delay, 136 years


def _as_it_is(body: object) -> object:
    return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Unique:
    """At most one job of a type, or one for each of some values, at a time.

    `by` names the arguments (of a job function) or the keys of the body (of other messages) that
    count: one name, several, none at all (`()`: one job of the type), or None for all of them.
    `until` is how long a second job is kept out: until the first is `"done"` (gone or buried),
    until its first run has `"started"`, or for a duration from its acceptance. `on_conflict` says
    what becomes of the second one: `"skip"` leaves the first as it is; where the first still waits,
    `"replace"` gives it the second's body, place and time, and `"reschedule"` only its time.
    """

    by: str | Sequence[str] | None = None
    until: Literal["done", "started"] | Duration = "done"
    on_conflict: OnConflict = "skip"
    _named: Named = field(default=_as_it_is, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", _names(self.by))
        object.__setattr__(self, "until", _until(self.until))
        if self.on_conflict not in _CONFLICTS:
            known = ", ".join(map(repr, _CONFLICTS))
            raise UsageError(f"on_conflict must be one of {known}: {self.on_conflict!r}")

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names that count; None for all."""
        return cast("tuple[str, ...] | None", self.by)

    @property
    def hold(self) -> Until:
        """Until when a key is held, a duration in seconds."""
        return cast("Until", self.until)

    def bound(self, named: Named) -> Unique:
        """Return the same for bodies whose values are known by name only through `named`."""
        copy = replace(self)
        object.__setattr__(copy, "_named", named)
        return copy

    def check(self, known: Collection[str]) -> None:
        """Raise `UsageError` for the first name that is none of these."""
        for name in self.names or ():
            if name not in known:
                close = closest(name, known)
                names = ", ".join(sorted(known)) or "none"
                hint = f"did you mean {close!r}?" if close else f"known: {names}"
                raise UsageError(f"unique by an argument that is not there: {name!r}; {hint}")

    def key(self, type: str, body: object) -> str:
        """Return the key of a job of this type with this body.

        Raises `UsageError` naming a value that is not there, `EncodeError` for one that has no
        place on the wire.
        """
        values = self._named(body)
        chosen = values if self.names is None else _chosen(type, values, self.names)
        from hashlib import blake2b  # noqa: PLC0415  # most jobs are not unique

        return f"unique:{type}:{blake2b(canonical(chosen), digest_size=16).hexdigest()}"


def check_unique(value: object) -> Unique | Literal[False]:
    """Return what was said of uniqueness: True is by all values, a mapping is a settings file's."""
    if value is False or isinstance(value, Unique):
        return value
    if value is True:
        return Unique()
    if isinstance(value, Mapping):
        for name in value:
            if name not in _OPTIONS:
                raise UnknownOptionError(f"unique has no {name!r}; known: {', '.join(_OPTIONS)}")
        return Unique(**value)
    raise WrongTypeError(f"unique must be a pulpo.Unique(...), True or False: {value!r}")


def _chosen(type: str, values: object, names: Sequence[str]) -> Mapping[str, object]:
    if not names:
        return {}
    if not isinstance(values, Mapping):
        shown = f"{values!r}"[:100]
        raise UsageError(f"{type!r} is unique by {names[0]!r}, so its body must be a map: {shown}")
    for name in names:
        if name not in values:
            raise UsageError(f"{type!r} is unique by {name!r}, which its body does not have")
    return {name: values[name] for name in names}


def _names(by: object) -> tuple[str, ...] | None:
    if by is None:
        return None
    names = (by,) if isinstance(by, str) else by
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise WrongTypeError(f"by must be names of arguments: {by!r}")
    if len(set(names)) < len(names):
        raise UsageError(f"by names an argument twice: {by!r}")
    return tuple(sorted(names))


def _until(until: object) -> Until:
    if until in ("done", "started"):
        return cast("Until", until)
    if isinstance(until, str) and not until.strip()[:1].isdigit():
        raise UsageError(f"until must be 'done', 'started' or a duration such as '10m': {until!r}")
    length = seconds(cast(Duration, until), "until", at_most=_LONGEST)
    if not length:
        raise UsageError(f"until must be more than 0: {until!r}")
    return length
