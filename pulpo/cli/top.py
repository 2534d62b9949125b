"""`pulpo top`: queues, rates, busy slots, slowest and most failing types, live in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime

import click

from pulpo.adapter import Engine, QueueAdmin
from pulpo.cli.door import administered
from pulpo.cli.output import data, for_people, json_line
from pulpo.cli.parameters import PERIOD
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.clock import SystemClock
from pulpo.duration import as_text
from pulpo.envelope import DEFAULT_QUEUE
from pulpo.errors import QueueError
from pulpo.job import QueueStats
from pulpo.overview import LATELY, Overview, QueueLine, TypeLine, overview
from pulpo.side import side_of
from pulpo.telling import MinuteCount, SeenWorker, read_minutes, read_workers

__all__ = ["top"]

_MOST_TYPES = 8
# A look may take this share of the time, however long the queues are.
_SHARE = 0.1


@click.command()
@click.option(
    "--interval",
    type=PERIOD,
    default="1s",
    show_default=True,
    metavar="DURATION",
    help="How long between two looks.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, once.")
@target_options
@pass_target
def top(target: Target, interval: float, as_json: bool) -> None:
    """Watch queues, workers and job types, until q is pressed.

    Where the output is no terminal it prints one look and ends.

    \b
    pulpo top
    pulpo top --interval 5s
    """
    with administered(target) as (admin, engine):
        if as_json:
            data(json_line(_as_json(_look(admin, engine))))
        elif sys.stdin.isatty() and sys.stdout.isatty():
            _watch(admin, engine, interval)
        else:
            data(_page(_look(admin, engine)))


def _watch(admin: QueueAdmin, engine: Engine, interval: float) -> None:
    from pulpo.cli.screen import on_screen  # noqa: PLC0415  # a terminal's modules

    clock = SystemClock()
    with on_screen() as screen:
        try:
            while True:
                began = clock.monotonic()
                seen = _look(admin, engine)
                took = clock.monotonic() - began
                time = datetime.fromtimestamp(clock.wall()).astimezone()
                screen.show(f"{time:%H:%M:%S}   q ends it\n{_page(seen)}")
                if screen.is_over(max(interval - took, took / _SHARE)):
                    return
        except KeyboardInterrupt:
            return


def _look(admin: QueueAdmin, engine: Engine) -> Overview:
    now = SystemClock().wall()
    workers, counts, is_whole = _told(engine, now)
    served = {name for worker in workers for name in worker.queues}
    return overview(_counted(admin, *served), workers, counts, now=now, is_whole=is_whole)


def _told(engine: Engine, now: float) -> tuple[Sequence[SeenWorker], Sequence[MinuteCount], bool]:
    """Return what workers tell beside the queue: nothing where that is out of reach."""
    try:
        store = side_of(engine)
        if store is None:
            return (), (), False
        with closing(store):
            return read_workers(store), read_minutes(store, since=now - LATELY), store.is_whole
    except QueueError:
        return (), (), False


def _counted(admin: QueueAdmin, *served: str) -> list[QueueStats]:
    names = sorted({DEFAULT_QUEUE, *admin.queues(), *served})
    return [admin.stats(name) for name in names]


def _page(seen: Overview) -> str:
    slots = f"{seen.busy} of {seen.slots} slots busy"
    known = "" if seen.is_whole else "; those of other hosts are not known here"
    parts = [
        f"{_count(seen.processes, 'worker process', 'worker processes')}, {slots}{known}",
        for_people(
            ("queue", "ready", "delayed", "reserved", "buried", "done/s", "workers", ""),
            [_queue_row(line) for line in seen.queues],
            right=" rrrrrr",
        ),
    ]
    parts += _types("slowest types", seen.types[:_MOST_TYPES])
    parts += _types("most failing types", seen.failing[:_MOST_TYPES])
    return "\n\n".join(parts)


def _types(head: str, lines: Sequence[TypeLine]) -> list[str]:
    if not lines:
        return []
    heads = (head, "runs", "failed", "half within", "95 % within")
    rows = [
        [line.type, str(line.runs), str(line.failed), _time(line.median), _time(line.slow)]
        for line in lines
    ]
    return [for_people(heads, rows, right=" rrrr")]


def _queue_row(line: QueueLine) -> list[str]:
    stats = line.stats
    counts = (stats.ready, stats.delayed, stats.reserved, stats.buried)
    rate = "-" if line.rate is None else f"{line.rate:.1f}"
    remark = "paused" if stats.paused else ""
    if not remark and stats.ready and not line.workers:
        remark = "no worker"
    return [stats.queue, *map(str, counts), rate, str(line.workers), remark]


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else as_text(float(f"{seconds:.2g}"))


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _as_json(seen: Overview) -> dict[str, object]:
    return {
        "queues": {
            line.stats.queue: {
                "ready": line.stats.ready,
                "delayed": line.stats.delayed,
                "reserved": line.stats.reserved,
                "buried": line.stats.buried,
                "paused": line.stats.paused,
                "rate": None if line.rate is None else round(line.rate, 3),
                "workers": line.workers,
            }
            for line in seen.queues
        },
        "workers": {"processes": seen.processes, "busy": seen.busy, "slots": seen.slots},
        "types": [asdict(line) for line in seen.types],
        "complete": seen.is_whole,
    }
