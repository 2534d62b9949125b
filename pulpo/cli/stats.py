"""`pulpo stats`: how many jobs of each queue are in which state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from pulpo.adapter import QueueAdmin
from pulpo.adapters.spool.engine import spool_of
from pulpo.adapters.spool.store import Spool
from pulpo.cli.door import administered, hint_at_queue
from pulpo.cli.output import data, for_people, json_line
from pulpo.cli.parameters import QUEUE
from pulpo.cli.spool import in_spool, sentence_of
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.composed import Composed, ServerLook
from pulpo.duration import as_text
from pulpo.envelope import DEFAULT_QUEUE
from pulpo.errors import QueueError
from pulpo.job import QueueStats, sum_of

__all__ = ["SERVER_HEADS", "server_row", "stats"]

SERVER_HEADS = ("server", "standing", "ready", "delayed", "reserved", "buried", "")


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
    with administered(target) as (admin, engine):
        spool = spool_of(engine)
        looks = admin.servers() if isinstance(admin, Composed) and queue is None else ()
        try:
            counted = _counted(admin, queue)
        except QueueError:
            if spool is not None:  # this is known without the queue
                _show([], spool, (), as_json=as_json)
            raise
    _show(counted, spool, looks, as_json=as_json)


def _show(
    counted: Sequence[QueueStats],
    spool: Spool | None,
    looks: Sequence[ServerLook],
    *,
    as_json: bool,
) -> None:
    kept = None if spool is None else in_spool(spool)
    if as_json:
        shown: dict[str, object] = {"queues": {found.queue: _as_json(found) for found in counted}}
        if spool is not None:
            shown["spool"] = None if kept is None else asdict(kept)
        if looks:
            shown["servers"] = {look.name: _server_as_json(look) for look in looks}
        data(json_line(shown))
        return
    if counted:
        heads = ("queue", "ready", "delayed", "reserved", "buried", "paused")
        data(for_people(heads, [_row(found) for found in counted], right=" rrrr"))
    if looks:
        data("")
        data(for_people(SERVER_HEADS, [server_row(look) for look in looks], right="  rrrr"))
    if spool is not None and kept is not None:
        data(sentence_of(kept, spool))


def _counted(admin: QueueAdmin, queue: str | None) -> list[QueueStats]:
    if queue is None:
        names = sorted({DEFAULT_QUEUE, *admin.queues()})
    else:
        names = [queue]
        hint_at_queue(admin, queue)
    return [admin.stats(name) for name in names]


def server_row(look: ServerLook) -> list[str]:
    """Return the cells of one server, under `SERVER_HEADS`."""
    total = sum_of(look.name, look.queues)
    counts = (total.ready, total.delayed, total.reserved, total.buried)
    shown = ["?"] * len(counts) if look.why else [str(count) for count in counts]
    return [look.name, look.standing, *shown, "out of reach" if look.why else ""]


def _server_as_json(look: ServerLook) -> dict[str, object]:
    queues = {found.queue: _as_json(found) for found in look.queues}
    return {"standing": look.standing, "why": look.why, "queues": queues}


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
