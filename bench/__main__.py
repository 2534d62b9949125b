"""The command line of the benchmark: `python -m bench [NAME...]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from bench.measures import MEASURES, Measure
from bench.place import ENGINES, Place, disk_sync_ms, missing, open_place
from bench.progress import Progress
from bench.sides import PulpoSide, Side
from bench.table import as_json, render
from bench.timing import PULPO, Row, alternate, rows

_NOTE = """
ratio: 1.00 = as fast as the bare loop, more is better, for times too.
Everything is the median of all rounds, in brackets the least and the most."""

_NAMES = [measure.name for measure in MEASURES]
_FAMILIES = sorted({engine.partition("?")[0] for engine in ENGINES})


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for, print the table."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    for name in asked.names:
        if name not in _NAMES:
            parser.error(f"no measure is called {name!r}; there are: {', '.join(_NAMES)}")
    machine = _machine()
    print(_headline(machine), file=sys.stderr)
    found = _run(asked)
    if not found:
        print("nothing was measured", file=sys.stderr)
        return 1
    print(render(found))
    print(_NOTE)
    if asked.json:
        text = json.dumps(as_json(found, machine), indent=1)
        asked.json.write_text(text + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="pulpo beside a bare loop on the same engine, in the same run.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(_NAMES)}")
    parser.add_argument("--engine", action="append", choices=_FAMILIES, help="only this one")
    parser.add_argument("--n", type=_at_least_one, help="jobs a run, instead of each one's own")
    parser.add_argument("--rounds", type=_at_least_one, help="runs of each loop")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    return parser


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more: {text!r}")
    return value


def _run(asked: argparse.Namespace) -> list[Row]:
    progress = Progress()
    found: list[Row] = []
    plan = list(_plan(asked.names, asked.engine or _FAMILIES))
    for step, (measure, engine) in enumerate(plan, 1):
        if reason := missing(engine):
            print(f"not measured: {measure.name} on {engine}: {reason}", file=sys.stderr)
            continue
        n = asked.n or measure.n
        say = partial(_say, progress, f"[{step}/{len(plan)}] {measure.name} on {engine}")
        loops = {
            name: _once(measure, engine, n, opens)
            for name, opens in {PULPO: PulpoSide, **measure.bare[engine]}.items()
        }
        samples = alternate(loops, asked.rounds or measure.rounds, say)
        found += rows(measure.name, engine, n, samples)
    progress.clear()
    return found


def _say(progress: Progress, head: str, text: str) -> None:
    progress.say(f"{head}: {text}")


def _plan(names: Sequence[str], families: Sequence[str]) -> Iterator[tuple[Measure, str]]:
    for measure in MEASURES:
        for engine in measure.bare:
            if measure.name in (names or _NAMES) and engine.partition("?")[0] in families:
                yield measure, engine


def _once(
    measure: Measure, engine: str, n: int, opens: Callable[[Place], Side]
) -> Callable[[], dict[str, float]]:
    def take() -> dict[str, float]:
        with open_place(engine) as place, closing(opens(place)) as side:
            return measure.take(side, place.folder, n)

    return take


def _machine() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "load": round(os.getloadavg()[0], 2),
        "disk_sync_ms": round(disk_sync_ms(), 3),
    }


def _headline(machine: dict[str, object]) -> str:
    line = (
        f"{machine['cores']} cores, Python {machine['python']}, SQLite {machine['sqlite']}, "
        f"a synced 4 KiB write takes {machine['disk_sync_ms']} ms, load {machine['load']}"
    )
    if float(str(machine["load"])) > 0.5:
        line += "\nthis machine is doing something else too: the figures will be noisy"
    return line


if __name__ == "__main__":
    raise SystemExit(main())
