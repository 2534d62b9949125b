"""What there is to say of a queue in memory: which promises it cannot make."""

from __future__ import annotations

from collections.abc import Iterator

from pulpo.checkup import Finding, note

__all__ = ["examine"]


def examine() -> Iterator[Finding]:
    """Yield what kind of queue it is; nothing of it can be seen from another process."""
    yield note(
        "engine",
        "a queue in the memory of one process: nothing of it can be looked at from here",
        "its jobs end with their process, and no other process sees them: it is for tests",
        "for jobs that are to be kept, take a sqlite:// or beanstalkd:// URL",
    )
