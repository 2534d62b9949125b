"""How many jobs of a type may run at once, and how often they may start: over all workers.

Pure: what is said, its checks, and what the jobs have in common that share one limit. How a limit
is kept is `pulpo.worker.limiting`'s business.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from pulpo.canonical import canonical
from pulpo.duration import as_text, seconds
from pulpo.errors import UnknownOptionError, UsageError, WrongTypeError
from pulpo.identity import check_type
from pulpo.spelling import closest

__all__ = ["Limit", "LimitKey", "as_limit", "check_slots"]

MOST_SLOTS = 10_000
_WORDS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60}
_WORDS |= {"h": 3_600, "hour": 3_600, "d": 86_400, "day": 86_400}
_LONGEST = 86_400.0 * 366
# What of a value is shown to people.
_MOST_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit for the jobs of one type, or of all types that give it the same `name`.

    `concurrency` is how many may run at once. `rate` is how many may start in which time, like
    `"100/min"`, `"5/s"` or `"10/30s"`: evenly spread, after a pause up to `burst` of them at once.
    `per` names a parameter, or several: then each value has a limit of its own. Raises `UsageError`
    naming what is wrong.
    """

    concurrency: int | None = None
    per: str | Sequence[str] | None = None
    rate: str | None = None
    burst: int = 1
    name: str | None = None

    def __post_init__(self) -> None:
        if self.concurrency is None and self.rate is None:
            raise UsageError("a limit needs concurrency, or a rate, or both")
        if self.concurrency is not None:
            check_slots(self.concurrency, "concurrency")
        check_slots(self.burst, "burst")
        if self.rate is not None:
            object.__setattr__(self, "rate", _clean_rate(self.rate))
        elif self.burst != 1:
            raise UsageError(f"burst goes with a rate: {self.burst!r}")
        if self.name is not None:
            _check_name(self.name)
        object.__setattr__(self, "per", _names(self.per))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of `per`."""
        return tuple(self.per or ())

    @property
    def interval(self) -> float | None:
        """The seconds from one start to the next one at this rate; None without a rate."""
        return None if self.rate is None else _interval(self.rate)

    def turns(self, left: float, count: int) -> tuple[list[float], float]:
        """Return in how many seconds the next `count` jobs may start, and what is `left` then.

        `left` is in how many seconds nothing of the rate will be used up any more; see GCRA.
        """
        interval = self.interval or 0.0
        ahead = interval * (self.burst - 1)
        waits = [max(left + interval * number - ahead, 0.0) for number in range(count)]
        return waits, left + interval * count

    def key(self, type: str, values: Mapping[str, object]) -> LimitKey:
        """Return which limit a job of a type falls under, by its values of `per`.

        A value that is missing counts as None.
        """
        name = self.name or type
        if not self.parameters:
            return LimitKey(name, name, name)
        said = [values.get(parameter) for parameter in self.parameters]
        digest = hashlib.blake2b(canonical(said), digest_size=16).hexdigest()
        pairs = zip(self.parameters, said, strict=True)
        shown = ", ".join(f"{parameter}={_shown(value)}" for parameter, value in pairs)
        return LimitKey(name, f"{name}:{digest}", f"{name} ({shown})")


@dataclass(frozen=True, slots=True)
class LimitKey:
    """One limit: `name` is its own or that of its job type, people read it as `shown`.

    `text` is the same for all jobs under it, and another one for each value of `per`.
    """

    name: str
    text: str
    shown: str


def as_limit(value: object) -> Limit:
    """Return a limit as an option says it: a `Limit`, or the same as a table of a settings file."""
    if isinstance(value, Limit):
        return value
    if not isinstance(value, Mapping):
        raise WrongTypeError(f"limit must be a pulpo.Limit or a table of its options: {value!r}")
    known = tuple(field.name for field in fields(Limit))
    for name in value:
        if name not in known:
            close = closest(str(name), known)
            hint = f"did you mean {close!r}?" if close else f"known: {', '.join(known)}"
            raise UnknownOptionError(f"unknown option {name!r} of limit; {hint}")
    return Limit(**value)


def check_slots(value: object, name: str) -> int:
    """Return how many may run at once, or say what is wrong with that."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongTypeError(f"{name} must be a whole number: {value!r}")
    if not 1 <= value <= MOST_SLOTS:
        raise UsageError(f"{name} must be 1 to {MOST_SLOTS}: {value!r}")
    return value


def _check_name(name: object) -> None:
    try:
        check_type(name)
    except UsageError as error:
        raise type(error)(f"the name of a limit: {error}") from None


def _names(per: object) -> tuple[str, ...] | None:
    if per is None:
        return None
    named = (per,) if isinstance(per, str) else per
    if not isinstance(named, Sequence) or not all(isinstance(name, str) for name in named):
        raise WrongTypeError(f"per must be the name of a parameter, or several: {per!r}")
    if not named or not all(name.isidentifier() for name in named):
        raise UsageError(f"per must name at least one parameter: {per!r}")
    if len(set(named)) < len(named):
        raise UsageError(f"per names a parameter twice: {per!r}")
    return tuple(named)


def _clean_rate(rate: object) -> str:
    if not isinstance(rate, str):
        raise WrongTypeError(f"rate must be text like '100/min' or '5/s': {rate!r}")
    clean = rate.replace(" ", "")
    _interval(clean)
    return clean


def _interval(rate: str) -> float:
    found = re.fullmatch(r"(\d{1,9})/(.+)", rate, re.ASCII)
    if found is None or not int(found[1]):
        raise UsageError(f"rate must be like '100/min', '5/s' or '10/30s': {rate!r}")
    try:
        time = float(_WORDS.get(found[2], 0)) or seconds(found[2], "rate")
    except UsageError:
        raise UsageError(f"rate must be like '100/min', '5/s' or '10/30s': {rate!r}") from None
    interval = time / int(found[1])
    if not 1e-6 <= interval <= _LONGEST:
        raise UsageError(
            f"rate must be between one in {as_text(_LONGEST)} and a million a second: {rate!r}"
        )
    return interval


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
