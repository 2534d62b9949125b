"""`pulpo workers`: who works on the queue, since when, what each slot runs, and where it is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict

import click

from pulpo.cli.door import beside
from pulpo.cli.limits import limit_as_json, limit_table
from pulpo.cli.output import data, for_people, json_line, talk
from pulpo.cli.stacks import (
    job_as_json,
    name_silent,
    print_stacks,
    shown_seconds,
    stacks_as_json,
    wait_for_stacks,
)
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.duration import as_text
from pulpo.telling import RunningJob, SeenWorker, read_workers
from pulpo.telling.limits import read_limits

__all__ = ["workers"]

_ELSEWHERE = (
    "beside this queue each host and user sees its own workers: ask on their host, as their user, "
    "with the same ?side= in the URL if theirs has one"
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--stacks", "with_stacks", is_flag=True, help="Ask each where its slots are.")
@target_options
@pass_target
def workers(target: Target, as_json: bool, with_stacks: bool) -> None:
    """List the worker processes of the queue, and what each of their slots runs.

    A dead one disappears after 10 s. With --stacks it takes up to 5 s: a process answers when it
    comes by.

    \b
    pulpo workers
    pulpo workers --stacks
    pulpo workers --json
    """
    with beside(target) as store:
        seen, is_whole, limits = read_workers(store), store.is_whole, read_limits(store)
        stacks = wait_for_stacks(store, seen) if with_stacks and seen else {}
    if with_stacks:
        name_silent(seen, stacks)
    if as_json:
        found = [_as_json(worker) for worker in seen]
        if with_stacks:
            for told, worker in zip(found, seen, strict=True):
                told["stacks"] = stacks_as_json(stacks.get(worker.id))
        shown = [limit_as_json(limit) for limit in limits]
        data(json_line({"workers": found, "complete": is_whole, "limits": shown}))
        return
    if not seen:
        talk("no worker is at work" + ("" if is_whole else f"; {_ELSEWHERE}"))
        return
    data(_processes(seen))
    running = [(worker, job) for worker in seen for job in worker.running]
    if running:
        data("\n" + _slots(running))
    if limits:
        data("\n" + limit_table(limits))
    if with_stacks:
        print_stacks(seen, stacks)
    else:
        _name_stuck(running)


def _processes(seen: Sequence[SeenWorker]) -> str:
    now = time.time()
    rows = [
        [
            worker.host,
            str(worker.worker),
            str(worker.pid),
            as_text(round(max(now - worker.started, 0.0))),
            "stopping" if worker.is_stopping else "working",
            f"{worker.busy}",
            f"{worker.threads}+{worker.async_slots}",
            ",".join(worker.queues),
        ]
        for worker in seen
    ]
    heads = ("host", "worker", "process", "for", "state", "busy", "slots", "queues")
    return for_people(heads, rows, right=" rrr rr")


def _slots(running: Iterable[tuple[SeenWorker, RunningJob]]) -> str:
    rows = [
        [
            worker.host,
            str(worker.pid),
            job.slot,
            job.type,
            job.id,
            job.queue,
            str(job.attempt),
            as_text(shown_seconds(job.seconds)),
            _remark(job),
        ]
        for worker, job in running
    ]
    heads = ("host", "process", "slot", "type", "id", "queue", "attempt", "for", "")
    return for_people(heads, rows, right=" r    rr")


def _remark(job: RunningJob) -> str:
    if job.is_stuck:
        return f"stuck: over its {as_text(job.timeout)}"
    return "alone" if job.alone else ""


def _name_stuck(running: Iterable[tuple[SeenWorker, RunningJob]]) -> None:
    pids = sorted({worker.pid for worker, job in running if job.is_stuck})
    if pids:
        killed = f"kill -USR1 {' '.join(map(str, pids))}"
        talk(f"where a slot is stuck: pulpo workers --stacks, or in the log by {killed}")


def _as_json(worker: SeenWorker) -> dict[str, object]:
    told = asdict(worker)
    told["age"] = round(worker.age, 3)
    told["running"] = [job_as_json(job) for job in worker.running]
    return told
