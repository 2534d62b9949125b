"""`pulpo stats`: how many jobs of each queue are in which state."""

from __future__ import annotations

import click

from pulpo.cli.door import administered, hint_at_queue
from pulpo.cli.output import data, for_people, json_line
from pulpo.cli.parameters import QUEUE
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.duration import as_text
from pulpo.envelope import DEFAULT_QUEUE
from pulpo.job import QueueStats

__all__ = ["stats"]


@click.command()
@click.argument("queue", type=QUEUE, required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@target_options
@pass_target
def stats(target: Target, queue: str | None, as_json: bool) -> None:
    """Count the jobs of each queue, or of one.

    \b
    pulpo stats
    pulpo stats mail --json
    """
    with administered(target) as (admin, _):
        if queue is None:
            names = sorted({DEFAULT_QUEUE, *admin.queues()})
        else:
            names = [queue]
            hint_at_queue(admin, queue)
        counted = [admin.stats(name) for name in names]
    if as_json:
        data(json_line({"queues": {found.queue: _as_json(found) for found in counted}}))
    else:
        heads = ("queue", "ready", "delayed", "reserved", "buried", "paused")
        data(for_people(heads, [_row(found) for found in counted], right=" rrrr"))


def _as_json(found: QueueStats) -> dict[str, int | bool]:
    return {
        "ready": found.ready,
        "delayed": found.delayed,
        "reserved": found.reserved,
        "buried": found.buried,
        "paused": found.paused,
    }


def _row(found: QueueStats) -> list[str]:
    counts = (found.ready, found.delayed, found.reserved, found.buried)
    return [found.queue, *map(str, counts), _pause(found)]


def _pause(found: QueueStats) -> str:
    if not found.paused:
        return "no"
    return "yes" if found.pause_left is None else f"for {as_text(found.pause_left)}"
