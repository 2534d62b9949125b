"""What may be chosen for a job and for a settlement; few values, so that they meet.

Knows no engine: what a wish comes to, under which clock, is the machine's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from pulpo.job import Verb

__all__ = ["OFFER", "PICK", "QUEUE", "QUEUES", "SERVED", "WISH", "Wish"]

QUEUES = ("one", "two")

PICK = st.integers(0, 11)
QUEUE = st.sampled_from(QUEUES)
SERVED = st.sampled_from([QUEUES[:1], QUEUES, QUEUES[1:]])
DELAY = st.sampled_from([0.0, 0.0, 0.0, 0.5, 2.0, 90.0])
MOMENT = st.sampled_from([None, None, None, -5.0, 1.0, 90.0])


@dataclass(frozen=True, slots=True)
class Wish:
    """What is chosen of a job; the rest follows."""

    queue: str = QUEUES[0]
    priority: int = 1
    delay: float = 0.0
    ahead: float | None = None  # the moment, in seconds from now
    ttr: int = 0
    big: bool = False


WISH = st.builds(
    Wish,
    queue=QUEUE,
    priority=st.sampled_from([1, 1, 0, 2]),
    delay=DELAY,
    ahead=MOMENT,
    ttr=PICK,
    big=st.sampled_from([False] * 7 + [True]),
)
FOLLOWING = st.lists(WISH, max_size=2)
OFFER = st.tuples(PICK, st.sampled_from(list(Verb)), WISH, FOLLOWING)
