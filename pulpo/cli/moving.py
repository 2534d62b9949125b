"""The dialogue around a move: progress, a way to stop it, and what became of it."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict

import click

from pulpo.adapter import Engine
from pulpo.cli.bulk import count_of
from pulpo.cli.errors import FAILED, REFUSED, CommandError
from pulpo.cli.output import data, talk
from pulpo.clock import SystemClock
from pulpo.errors import QueueError
from pulpo.moving import Ends, Journal, Moved, Mover, Plan
from pulpo.queue_url import mask
from pulpo.side import side_of

__all__ = ["carry_out", "say_plan"]

_STATES = ("ready", "delayed", "buried", "reserved")


def carry_out(
    source: Engine, target: Engine, urls: tuple[str, str], plan: Plan, *, as_json: bool
) -> None:
    """Move the jobs of one engine to another, and say what was moved.

    `urls` are theirs, by which a killed move is known again. Raises `CommandError` where jobs were
    refused or it was stopped.
    """
    with ExitStack() as stack:
        ends = Ends(source.adapter(), source.admin(), target.adapter(), target.admin())
        for door in (ends.source, ends.source_admin, ends.target, ends.target_admin):
            stack.callback(door.close)
        moved, finished = _moved(ends, _journal(source, *urls), plan, as_json=as_json)
    if moved.refused:
        for why in sorted(moved.why)[:5]:
            talk(f"not moved: {why}")
        refused = count_of(moved.refused)
        raise CommandError(f"the target has refused {refused}", code=REFUSED)
    if not finished:
        raise CommandError("stopped; run it again to go on", code=FAILED)


def _moved(ends: Ends, journal: Journal, plan: Plan, *, as_json: bool) -> tuple[Moved, bool]:
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
    return mover.moved, finished


def _journal(engine: Engine, source: str, target: str) -> Journal:
    store = side_of(engine)
    if store is None:
        raise CommandError(
            f"{mask(source)!r} keeps no facts beside the queue: a move that is killed could not "
            "go on",
            code=REFUSED,
        )
    return Journal(store, source, target, SystemClock())


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


def say_plan(engine: Engine, queues: Sequence[str], *, as_json: bool) -> None:
    """Print what a move of these queues, or of all, would find."""
    with closing(engine.admin()) as admin:
        rows = [admin.stats(name) for name in queues or admin.queues()]
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
