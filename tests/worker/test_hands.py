"""What runs the handlers of a worker, and how its backoffs are spread."""

from __future__ import annotations

from pulpo.clock import ManualClock
from pulpo.worker.hands import Hands
from pulpo.worker.settings import WorkerSettings


def test_a_worker_has_as_many_hands_as_it_was_told_and_spreads_its_backoffs() -> None:
    hands = Hands.of(WorkerSettings(threads=3, async_slots=7), ManualClock(), lambda: None)

    drawn = [hands.spread() for _ in range(100)]

    assert (hands.threads.size, hands.coroutines.size) == (3, 7)
    assert all(-1.0 <= spread <= 1.0 for spread in drawn)
    assert len(set(drawn)) > 50
