"""Asking worker processes for their stacks from a terminal: ask, wait a little, print.

Through the side data, so on any host that shares them; no process gets a signal.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pulpo.cli.output import data, escape, talk
from pulpo.duration import as_text
from pulpo.side import SideStore
from pulpo.telling import RunningJob, SeenWorker, SlotStack, Stacks, ask_stacks, read_stacks

__all__ = [
    "job_as_json",
    "name_silent",
    "print_stacks",
    "shown_seconds",
    "stacks_as_json",
    "wait_for_stacks",
]

# An idle process looks every 2.5 s; what takes twice as long is held by something.
_PATIENCE, _PAUSE = 5.0, 0.1


def wait_for_stacks(store: SideStore, workers: Sequence[SeenWorker]) -> Mapping[str, Stacks]:
    """Ask processes, and return by their ids what came within 5 s; raises `QueueError`."""
    ids = [worker.id for worker in workers]
    ask_stacks(store, *ids)
    end = time.monotonic() + _PATIENCE
    while True:
        asked = read_stacks(store, *ids)
        waits = any(found.waits is not None for found in asked.values())
        if not waits or time.monotonic() > end:
            break
        time.sleep(_PAUSE)
    # An answer to somebody who has asked before is none to this question.
    return {
        worker: found.answer
        for worker, found in asked.items()
        if found.answer is not None and found.waits is None
    }


def print_stacks(workers: Sequence[SeenWorker], stacks: Mapping[str, Stacks]) -> None:
    """Print what each process has answered."""
    for worker in workers:
        if worker.id in stacks:
            data("\n" + "\n".join(_lines(worker, stacks[worker.id])))


def name_silent(workers: Sequence[SeenWorker], stacks: Mapping[str, Stacks]) -> None:
    """Say which processes have not answered."""
    silent = sorted(worker.pid for worker in workers if worker.id not in stacks)
    if silent:
        talk(
            f"no answer within {as_text(_PATIENCE)} from process {', '.join(map(str, silent))}: "
            "it has ended, something keeps its Python from running, or its pulpo is an older one"
        )


def stacks_as_json(stacks: Stacks | None) -> list[dict[str, object]] | None:
    """Return the slots of an answer, each with its `stack`; None where there is no answer."""
    if stacks is None:
        return None
    return [{**job_as_json(slot.job), "stack": slot.stack} for slot in stacks.slots]


def job_as_json(job: RunningJob) -> dict[str, object]:
    """Return what a slot runs, as JSON says it."""
    return {**asdict(job), "seconds": round(job.seconds, 3), "stuck": job.is_stuck}


def shown_seconds(seconds: float) -> float:
    """Return how long something has run, as exactly as a reader wants it."""
    return round(seconds, 1) if seconds < 60 else round(seconds)


def _lines(worker: SeenWorker, stacks: Stacks) -> list[str]:
    name = escape(f"{worker.host} {worker.pid}")
    if not stacks.slots and not stacks.left_out:
        return [f"{name} runs nothing"]
    lines = [line for slot in stacks.slots for line in _slot(name, slot)]
    if stacks.left_out:
        lines.append(f"{name} has {stacks.left_out} more busy slots")
    return lines


def _slot(name: str, slot: SlotStack) -> list[str]:
    job = slot.job
    spent = as_text(shown_seconds(job.seconds))
    head = f"{name} {escape(f'{job.slot} {job.type} {job.id}')} for {spent}"
    return [head, escape(slot.stack or "  (it ended in that moment)", keep="\n")]
