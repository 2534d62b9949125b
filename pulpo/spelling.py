"""The name that somebody has probably meant."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["closest"]


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like this one; None where none does."""
    import difflib  # noqa: PLC0415  # costs every producer a millisecond, for an error's sake

    return next(iter(difflib.get_close_matches(name, list(known), 1)), None)
