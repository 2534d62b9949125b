"""Durations: how long, written as seconds, `timedelta` or text, understood as float seconds.

This file knows no wall clock: points in time are aware `datetime`s and belong to `message.py`.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TypeAlias

from pulpo.errors import UsageError, WrongTypeError

__all__ = ["Duration", "as_text", "seconds"]

Duration: TypeAlias = float | str | timedelta

_UNITS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_TEXT = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|w|d|h|m|s))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|w|d|h|m|s)", re.ASCII)


def seconds(value: Duration, name: str = "duration", *, at_most: float = math.inf) -> float:
    """Return a duration in seconds; `name` is how an error calls it.

    Takes a number of seconds, a `timedelta`, or text such as `"90s"`, `"5m"`, `"2h30m"`, `"3d"`.
    """
    if type(value) is float and 0.0 <= value <= at_most and value != math.inf:
        return value
    result = _raw_seconds(value, name)
    if not 0 <= result <= at_most:  # NaN fails this comparison too
        allowed = "0 or more" if at_most == math.inf else f"0 to {as_text(at_most)}"
        raise UsageError(f"{name} must be {allowed}: {value!r}")
    if result == math.inf:
        raise UsageError(f"{name} must be finite: {value!r}")
    return result


def _raw_seconds(value: Duration, name: str) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        return _parse(value, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongTypeError(f"{name} must be seconds, a timedelta or text like '5m': {value!r}")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _parse(text: str, name: str) -> float:
    bare = text.strip()
    if re.fullmatch(r"\d+(?:\.\d+)?", bare, re.ASCII):
        return float(bare)
    if not _TEXT.fullmatch(bare):
        raise UsageError(f"{name} must be like '90s', '5m', '2h30m' or '3d': {text!r}")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(bare))


def as_text(value: float) -> str:
    """Return seconds as short text: `90.0` is `'1m30s'`, `0.25` is `'250ms'`."""
    if value == 0:
        return "0s"
    if value < 1:
        return f"{value * 1000:.3g}ms"
    parts, rest = [], round(value, 3) if value < 10 else round(value)
    for unit in ("d", "h", "m"):
        whole, rest = divmod(rest, _UNITS[unit])
        if whole:
            parts.append(f"{int(whole)}{unit}")
    if rest:
        parts.append(f"{rest:g}s")
    return "".join(parts[:2])
