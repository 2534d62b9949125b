"""Kicking all buried jobs of a queue on beanstalkd, without a walk through all of its numbers.

By number: `kick` itself would take delayed jobs where no buried one is left.
"""

from __future__ import annotations

import greenstalk

from pulpo.adapters.beanstalkd.changing import Changes
from pulpo.adapters.beanstalkd.control import Control
from pulpo.adapters.beanstalkd.walking import Walker

__all__ = ["kick_buried"]

# How many numbers are asked for at once.
_WIDEST = 1_000


def kick_buried(
    control: Control, walker: Walker, changes: Changes, queue: str, *, count: int
) -> int:
    """Kick up to about `count` buried jobs of a queue; return how many were.

    The first of them is known without a walk, and those that were buried with it have numbers close
    behind: as long as that is so, more and more are looked at in one flight.
    """
    kicked, width = 0, 1
    while kicked < count and (first := _first_buried(control, queue)) is not None:
        numbers = walker.buried_in(queue, range(first, first + width))
        kicked += sum(changes.kick(numbers))
        width = min(width * 2, _WIDEST) if 2 * len(numbers) >= width else 1
    return kicked


def _first_buried(control: Control, queue: str) -> int | None:
    with control.talking() as client:
        try:
            client.use(queue)
            return client.peek_buried().id
        except greenstalk.NotFoundError:
            return None
        finally:
            client.use("default")
