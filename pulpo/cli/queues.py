"""`pulpo pause` and `pulpo resume`: whether workers may take jobs from a queue."""

from __future__ import annotations

import click

from pulpo.adapter import Engine
from pulpo.cli.door import administered, hint_at_queue
from pulpo.cli.output import talk
from pulpo.cli.parameters import PERIOD, QUEUE
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.duration import as_text
from pulpo.job import Capabilities

__all__ = ["pause", "resume"]


@click.command()
@click.argument("queue", type=QUEUE)
@click.option("--for", "period", type=PERIOD, metavar="DURATION", help="End it by itself.")
@target_options
@pass_target
def pause(target: Target, queue: str, period: float | None) -> None:
    """Let no worker take jobs from a queue; what is being run goes on.

    \b
    pulpo pause mail --for 10m
    """
    with administered(target) as (admin, engine):
        hint_at_queue(admin, queue)
        admin.pause(queue, period)
        can = _capabilities(engine)
    end = f"until `pulpo resume {queue}`" if period is None else f"for {as_text(period)}"
    talk(f"paused {queue!r} {end}")
    if not can.keeps_pause:
        talk(f"{can.engine} forgets a pause when its server restarts")


def _capabilities(engine: Engine) -> Capabilities:
    adapter = engine.adapter()
    try:
        return adapter.capabilities
    finally:
        adapter.close()


@click.command()
@click.argument("queue", type=QUEUE)
@target_options
@pass_target
def resume(target: Target, queue: str) -> None:
    """End a pause; a queue that is not paused stays as it is.

    \b
    pulpo resume mail
    """
    with administered(target) as (admin, _):
        hint_at_queue(admin, queue)
        admin.resume(queue)
    talk(f"resumed {queue!r}")
