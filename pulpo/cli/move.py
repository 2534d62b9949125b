"""`pulpo move`: bring the jobs of a live queue from one engine to another."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict

import click

from pulpo.adapter import Engine
from pulpo.adapters import open_engine
from pulpo.cli.bulk import count_of
from pulpo.cli.door import check_shared
from pulpo.cli.errors import FAILED, REFUSED, CommandError
from pulpo.cli.output import data, talk
from pulpo.cli.parameters import QUEUE
from pulpo.clock import SystemClock
from pulpo.errors import QueueError
from pulpo.job import QueueStats
from pulpo.moving import Ends, Journal, Moved, Mover, Plan
from pulpo.queue_url import QueueURL, mask
from pulpo.side import side_of

__all__ = ["move"]

_STATES = ("ready", "delayed", "buried", "reserved")


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
    with ExitStack() as stack:
        if dry_run:
            admin = old.admin()
            stack.callback(admin.close)
            rows = [admin.stats(name) for name in queues or admin.queues()]
            _say_plan(rows, as_json=as_json)
            return 0
        ends = Ends(old.adapter(), old.admin(), new.adapter(), new.admin())
        for door in (ends.source, ends.source_admin, ends.target, ends.target_admin):
            stack.callback(door.close)
        return _move(
            ends,
            _journal(old, source, target),
            Plan(queues=queues, rate=rate, wait=wait),
            as_json=as_json,
        )


def _engines(source: str, target: str) -> tuple[Engine, Engine]:
    for url in (source, target):
        check_shared(url)
    if _place(source) == _place(target):
        raise click.UsageError(f"both are the same queue: {mask(source)!r}")
    return open_engine(source), open_engine(target)


def _place(url: str) -> tuple[object, ...]:
    found = QueueURL.parse(url)
    return found.scheme, found.host, found.port, found.path


def _journal(engine: Engine, source: str, target: str) -> Journal:
    store = side_of(engine)
    if store is None:
        raise CommandError(
            f"{mask(source)!r} keeps no facts beside the queue: a move that is killed could not "
            "go on",
            code=REFUSED,
        )
    return Journal(store, source, target, SystemClock())


def _move(ends: Ends, journal: Journal, plan: Plan, *, as_json: bool) -> int:
    rows = [ends.source_admin.stats(name) for name in plan.queues or ends.source_admin.queues()]
    total = sum(row.ready + row.delayed + row.buried for row in rows)
    is_stopping, finished = _stoppable(), False
    with _progress(total) as tell:
        mover = Mover(
            ends, journal, plan, SystemClock(),
            pause=time.sleep, tell=tell, is_stopping=is_stopping,
        )  # fmt: skip
        try:
            finished = mover.run()
        except QueueError:
            _say(mover.moved, as_json=as_json)
            talk("what is left has stayed; run it again to go on")
            raise
        finally:
            journal.close(finished=finished)
    _say(mover.moved, as_json=as_json)
    if mover.moved.refused:
        for why in sorted(mover.moved.why)[:5]:
            talk(f"not moved: {why}")
        refused = count_of(mover.moved.refused)
        raise CommandError(f"the target has refused {refused}", code=REFUSED)
    if not finished:
        raise CommandError("stopped; run it again to go on", code=FAILED)
    return 0


def _stoppable() -> Callable[[], bool]:
    """Let the first signal end the move between two batches, the second one at once."""
    told: list[int] = []

    def stop(number: int, _: object) -> None:
        told.append(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return lambda: bool(told)


def _say(moved: Moved, *, as_json: bool) -> None:
    if as_json:
        data(json.dumps({**asdict(moved), "why": sorted(moved.why)}))
        return
    parts = [f"moved {count_of(moved.count)}"]
    told = {
        "may run twice: they were on their way when a move was killed": moved.doubtful,
        "may run twice: their lease ran out on the way": moved.twice,
        "run at the source": moved.running,
    }
    parts += [f"{count} {what}" for what, count in told.items() if count]
    data("; ".join(parts))


def _say_plan(rows: Sequence[QueueStats], *, as_json: bool) -> None:
    counts = {row.queue: {state: getattr(row, state) for state in _STATES} for row in rows}
    if as_json:
        data(json.dumps({"queues": counts}))
        return
    for row in rows:
        told = ", ".join(f"{count} {state}" for state, count in counts[row.queue].items() if count)
        data(f"{row.queue}: {told or 'empty'}" + (", paused" if row.paused else ""))
    total = sum(row.ready + row.delayed + row.buried for row in rows)
    running = sum(row.reserved for row in rows)
    data(f"would move {count_of(total)}" + (f", {running} run" if running else ""))


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Moved], None]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=total, label="moving", file=sys.stderr) as bar:
        yield lambda moved: bar.update(moved.count - bar.pos)
