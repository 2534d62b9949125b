"""What an operator is shown, beside what the model says; it knows no engine and changes no job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pulpo.job import JobState, ListedJob
from tests.model.entries import Entry
from tests.model.lines import merged
from tests.model.world import World

__all__ = ["compare_list", "compare_pause"]

EVER = 10_000_000.0


def compare_list(
    world: World,
    queue: str,
    state: JobState,
    listed: Sequence[ListedJob],
    line_of: Mapping[str, int],
) -> None:
    """Fail unless the listed jobs are those of a queue in a state, in their order."""
    expected = world.seen(queue, state)
    if state in (JobState.RESERVED, JobState.BURIED):  # in no order
        listed = sorted(listed, key=lambda job: job.id)
        expected.sort(key=lambda entry: entry.new.id)
    elif world.traits.lines:
        expected = merged(expected, [job.id for job in listed], line_of)
        urgency = [(world.due(entry), entry.new.priority) for entry in expected]
        assert urgency == sorted(urgency), f"listed by {urgency}"
    ids, right = [job.id for job in listed], [entry.new.id for entry in expected]
    assert ids == right, f"{queue} has {state.value} {ids}, not {right}"
    for job, entry in zip(listed, expected, strict=True):
        _compare(world, job, entry)


def _compare(world: World, job: ListedJob, entry: Entry) -> None:
    new = entry.new
    assert (job.queue, job.body, job.priority) == (new.queue, new.body, new.priority), new.id
    assert (job.state, job.ttr) == (entry.state, new.ttr), new.id
    assert abs(job.due - world.due(entry)) < 1e-3, f"{job} is due in {job.due}"
    if not entry.unsure:
        assert job.crashes == entry.crashes, f"{new.id}: {job.crashes}, not {entry.crashes}"


def compare_pause(world: World, queue: str, paused: bool, left: float | None) -> None:
    """Fail unless a queue is paused for as long as the model says."""
    expected = world.pause_left(queue)
    if expected and not paused and world.traits.drops_pauses:
        # Its jobs may have been gone for a moment, and with them the queue.
        world.resume(queue)
        return
    assert paused == bool(expected), f"{queue} is {'' if paused else 'not '}paused"
    if expected and expected < EVER:
        assert left is not None
        assert abs(left - expected) < 1e-3, f"{queue} is paused for {left}, not {expected}"
