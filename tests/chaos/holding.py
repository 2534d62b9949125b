"""Job types that hold Python's interpreter for good; loaded by the workers of row D4."""

from __future__ import annotations

import itertools
import re
from collections import deque

import pulpo

__all__ = ["TYPES"]

TYPES = ("holding.regex", "holding.loop")


@pulpo.job(type="holding.regex", timeout="2s", retries=0)
def regex() -> None:
    """Match a pattern that takes years to fail."""
    re.match(r"(a+)+$", "a" * 64 + "b")


@pulpo.job(type="holding.loop", timeout="2s", retries=0)
def loop() -> None:
    """Count for ever, in C."""
    deque(itertools.repeat(None), maxlen=0)
