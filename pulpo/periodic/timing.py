"""When a schedule is due, and what becomes of ticks that nobody could publish in time.

`@pulpo.job`, `pulpo.schedule` and `[tool.pulpo.schedules]` take the same words, checked here once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypedDict, TypeVar

from pulpo.duration import Duration, as_text, seconds
from pulpo.errors import UsageError, WrongTypeError
from pulpo.periodic.plan import LATE
from pulpo.periodic.rules import Rule, make_cron, make_every

__all__ = ["TIMING_OPTIONS", "Missed", "Overlap", "Timing", "TimingOptions", "make_timing"]

# How old a tick may be that is made up for, in seconds: a week.
WITHIN = 604_800.0
_LONGEST = 366 * 86_400.0


class Missed(Enum):
    """How many ticks of a time without a worker are made up for: none, one or all."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


class Overlap(Enum):
    """What becomes of a tick whose last job is not done.

    It is published beside that, or not at all, or as soon as that is done.
    """

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE = "queue"


class TimingOptions(TypedDict, total=False):
    """What can be said about when: `every` or `cron`, and for that the zone `tz`.

    `missed` says what becomes of ticks in a time without a worker, and `within` how old one may be
    that is made up for; `overlap` what becomes of one whose last job is not done.
    """

    every: Duration
    cron: str
    tz: str
    missed: Literal["skip", "once", "all"]
    within: Duration
    overlap: Literal["allow", "skip", "queue"]


TIMING_OPTIONS = tuple(TimingOptions.__annotations__)

E_ = TypeVar("E_", Missed, Overlap)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A rule and its policies; `within` is in seconds."""

    rule: Rule
    missed: Missed = Missed.ONCE
    within: float = WITHIN
    overlap: Overlap = Overlap.ALLOW


def make_timing(options: Mapping[str, Any]) -> Timing | None:
    """Return what options say about when, None where they say nothing of it.

    Takes what `TimingOptions` names from a larger mapping. Raises `UsageError` naming the option.
    """
    given = [name for name in TIMING_OPTIONS if options.get(name) is not None]
    if not given:
        return None
    if ("every" in given) == ("cron" in given):
        raise UsageError(
            "a schedule has every='10m' or cron='0 9 * * *', "
            + ("not both" if "every" in given else f"and {given[0]} only beside one of them")
        )
    if "tz" in given and "cron" not in given:
        raise UsageError(f"tz is for cron; every is the same in all zones: {options['tz']!r}")
    rule: Rule = (
        make_every(options["every"])
        if "every" in given
        else make_cron(options["cron"], options.get("tz") or "UTC")
    )
    within = seconds(options.get("within") or WITHIN, "within", at_most=_LONGEST)
    if within < LATE:
        raise UsageError(f"within must be {as_text(LATE)} or more: {options['within']!r}")
    return Timing(
        rule=rule,
        missed=_one_of(Missed, "missed", options.get("missed") or "once"),
        within=within,
        overlap=_one_of(Overlap, "overlap", options.get("overlap") or "allow"),
    )


def _one_of(kind: type[E_], name: str, value: object) -> E_:
    words = [each.value for each in kind]
    if not isinstance(value, str):
        raise WrongTypeError(f"{name} must be one of {', '.join(words)}: {value!r}")
    if value not in words:
        raise UsageError(f"{name} must be one of {', '.join(words)}: {value!r}")
    return kind(value)
