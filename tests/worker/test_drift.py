"""Clocks that do not agree: told, and nothing more."""

from __future__ import annotations

import io
import json

import pytest

from pulpo.clock import ManualClock
from pulpo.envelope import Envelope
from pulpo.identity import new_id
from pulpo.job import Job
from pulpo.registry import JobType
from pulpo.run import Run
from pulpo.worker.drift import Drift
from pulpo.worker.journal import Journal

TYPE = JobType(type="t", bind=lambda run: lambda: None)


class Seen:
    """A worker's look at the clocks, and what it has told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self._log = io.StringIO()
        self.asleep = 0.0
        journal = Journal(self.clock, format="json", stream=self._log)
        self._drift = Drift(journal, lambda: self.asleep)

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep: the wall clock goes on, the monotonic one does not."""
        self.clock.jump(seconds)
        self.asleep += seconds

    def look(self) -> None:
        """Let the loop come by."""
        self._drift.look(wall=self.clock.wall(), monotonic=self.clock.monotonic())

    def take(self, *, ahead: float | None = None) -> None:
        """Let a job arrive, made so many seconds ahead of this clock; None: it has no pulpo id."""
        stamp = f"{int((self.clock.wall() + (ahead or 0)) * 1000):012x}"
        pulpos = f"{stamp[:8]}-{stamp[8:]}{new_id()[13:]}"
        job = Job(number=1, body=b"")
        headers = {"type": "t", "id": "foreign" if ahead is None else pulpos}
        run = Run(job, Envelope(headers, None), TYPE)
        self._drift.look_at(run, wall=self.clock.wall())

    @property
    def told(self) -> list[str]:
        return [json.loads(line)["reason"] for line in self._log.getvalue().splitlines()]


@pytest.mark.parametrize(("step", "word"), [(3_600.0, "on"), (-31.0, "back")])
def test_a_step_of_the_wall_clock_is_told(step: float, word: str) -> None:
    seen = Seen()
    seen.look()
    seen.clock.jump(step)

    seen.look()
    seen.look()

    assert seen.told == [f"the wall clock was set {abs(step):.0f} s {word}"]


def test_time_that_passes_and_a_clock_that_is_slewed_are_no_step() -> None:
    seen = Seen()
    for _ in range(100):
        seen.look()
        seen.clock.advance(86_400)
        seen.clock.jump(-5)

    assert seen.told == []


def test_a_night_in_which_the_machine_sleeps_is_no_step() -> None:
    seen = Seen()
    seen.look()
    seen.suspend(30_000.0)
    seen.look()
    seen.clock.jump(-40.0)
    seen.look()

    assert seen.told == ["the wall clock was set 40 s back"]


def test_a_producer_whose_clock_is_ahead_is_told_once() -> None:
    seen = Seen()
    for _ in range(3):
        seen.take(ahead=30)

    (told,) = seen.told
    assert "published 30 s from now" in told


@pytest.mark.parametrize("ahead", [None, -86_400.0, 0.0, 4.5])
def test_a_job_from_the_past_or_of_a_stranger_says_nothing_of_clocks(ahead: float | None) -> None:
    seen = Seen()
    seen.take(ahead=ahead)

    assert seen.told == []
