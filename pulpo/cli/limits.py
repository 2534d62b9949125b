"""`pulpo limits`: which limits are at work, who has their slots, and how many jobs wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import click

from pulpo.cli.door import beside
from pulpo.cli.output import data, for_people, json_line
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.duration import as_text
from pulpo.telling.limits import SeenLimit, read_limits

__all__ = ["limit_as_json", "limit_table", "limits"]


@click.command("limits")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@target_options
@pass_target
def limits(target: Target, as_json: bool) -> None:
    """List the limits that hold jobs back now, the holders of their slots, and who waits.

    What a dead worker has left ends by itself after 15 s.

    \b
    pulpo limits
    pulpo limits --json
    """
    with beside(target) as store:
        found = read_limits(store)
    if as_json:
        data(json_line({"limits": [limit_as_json(limit) for limit in found]}))
    elif not found:
        data("no limit holds anything back now")
    else:
        data(limit_table(found))
        if any(limit.holders for limit in found):
            data("\n" + _slots(found))


def limit_table(found: Iterable[SeenLimit]) -> str:
    """Return a line for each limit."""
    rows = [
        [
            limit.shown,
            f"{len(limit.holders)} of {limit.concurrency}" if limit.concurrency else "-",
            f"{limit.waiting:,}",
            limit.rate or "-",
            as_text(max(limit.used_for, 0.001)) if limit.rate else "-",
        ]
        for limit in found
    ]
    return for_people(("limit", "slots", "waiting", "rate", "used for"), rows, right=" rr r")


def _slots(found: Sequence[SeenLimit]) -> str:
    rows = [
        [limit.shown, held.type, held.job, held.host, str(held.pid)]
        for limit in found
        for held in limit.holders
    ]
    return for_people(("limit", "type", "id", "host", "process"), rows, right="    r")


def limit_as_json(limit: SeenLimit) -> dict[str, object]:
    """Return a limit as values that JSON has."""
    return {**asdict(limit), "used_for": round(limit.used_for, 3)}
