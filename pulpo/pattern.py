"""Names with `*` in them, each of which stands for any text, also for none.

Pure. Nothing but `*` means anything, and no pattern takes long: a stranger may choose the name, an
operator the pattern.
"""

from __future__ import annotations

__all__ = ["is_like"]


def is_like(name: str, pattern: str) -> bool:
    """Tell whether the whole name fits the pattern, in capitals where the pattern has them."""
    head, star, rest = pattern.partition("*")
    if not star:
        return name == pattern
    *middle, tail = rest.split("*")
    if not name.startswith(head):
        return False
    at = len(head)
    for part in middle:
        at = name.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return name.endswith(tail) and len(name) - len(tail) >= at
