"""`pulpo move`: bring the jobs of a live queue from one engine to another."""

from __future__ import annotations

import click

from pulpo.adapter import Engine
from pulpo.adapters import open_engine
from pulpo.cli.door import check_shared
from pulpo.cli.moving import carry_out, say_plan
from pulpo.cli.parameters import QUEUE
from pulpo.cli.target import target_options
from pulpo.moving import Plan
from pulpo.queue_url import QueueURL, mask

__all__ = ["move"]


@click.command("move")
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option(
    "-q", "--queue", "queues", type=QUEUE, multiple=True, metavar="NAME",
    help="Move only this queue; may be given several times.",
)  # fmt: skip
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), metavar="N", help="At most N jobs a second."
)
@click.option(
    "--wait", is_flag=True, help="Wait for jobs that run at SRC, and move what they leave."
)
@click.option("--dry-run", is_flag=True, help="Only count what would be moved.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object.")
@target_options
def move(
    source: str,
    target: str,
    *,
    queues: tuple[str, ...],
    rate: float | None,
    wait: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Move all jobs of the queue SRC to the queue DST, both URLs; workers may serve both meanwhile.

    Each job keeps its id, its story, its priority and its time; a buried one stays buried. Jobs
    that run are left to their workers. Killed or stopped, it goes on where it was when it is run
    again; only a kill can leave a job in both places, and those are counted.

    \b
    pulpo move sqlite:///queue.db beanstalkd://127.0.0.1:11300 --dry-run
    pulpo move sqlite:///queue.db beanstalkd://127.0.0.1:11300 --rate 2000
    """
    old, new = _engines(source, target)
    if dry_run:
        say_plan(old, queues, as_json=as_json)
        return 0
    carry_out(
        old, new, (source, target), Plan(queues=queues, rate=rate, wait=wait), as_json=as_json
    )
    return 0


def _engines(source: str, target: str) -> tuple[Engine, Engine]:
    for url in (source, target):
        check_shared(url)
    if _place(source) == _place(target):
        raise click.UsageError(f"both are the same queue: {mask(source)!r}")
    return open_engine(source), open_engine(target)


def _place(url: str) -> tuple[object, ...]:
    found = QueueURL.parse(url)
    return found.scheme, found.host, found.port, found.path
