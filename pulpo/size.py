"""Sizes: how many bytes, written as text such as `"64MB"` or `"1GiB"`. Pure."""

from __future__ import annotations

import re

from pulpo.errors import UsageError

__all__ = ["size_in_bytes"]

_TEXT = re.compile(r"(\d{1,18}(?:\.\d{1,9})?) ?([kKMGT]i?)?B", re.ASCII)


def size_in_bytes(text: str, name: str) -> int:
    """Return a size in bytes, more than 0; `name` is how a `UsageError` calls it."""
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{name} must be like '300MB' or '1GiB': {text!r}")
    number, prefix = found.groups()
    base = 1024 if prefix and prefix.endswith("i") else 1000
    size = int(float(number) * base ** (" KMGT".index(prefix[0].upper()) if prefix else 0))
    if size < 1:
        raise UsageError(f"{name} must be more than 0: {text!r}")
    return size
