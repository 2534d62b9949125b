"""The chaos programme in its long form.

    python -m tests.chaos                     every row, one after another: some hours
    python -m tests.chaos A1 E1               these rows
    python -m tests.chaos A1 --engine sqlite --seed 7
    python -m tests.chaos A1 --set jobs=5000 --set kills=50

Appends a line for each trial to the table (out/chaos/table.md) and keeps the folder of a failure.
The seed chooses the faults, not the moments at which they strike.
"""

from __future__ import annotations

import argparse
import datetime
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from tests.chaos import table
from tests.chaos.row import Row, all_rows, needs_of
from tests.chaos.trial import perform
from tests.lab.needs import missing

TABLE = Path("out/chaos/table.md")


def main(arguments: list[str] | None = None) -> int:
    """Run the rows that were asked for; 1 where one went wrong, 2 for a name that none has."""
    given = _read(arguments)
    rows = {row.name: row for row in all_rows()}
    unknown = [name for name in given.names if name not in rows]
    if unknown:
        print(f"no such row: {', '.join(unknown)}; there are {', '.join(rows)}", file=sys.stderr)
        return 2
    if given.list:
        for row in rows.values():
            print(f"{row.name:4} {'full ' if row.full else 'short'} {row.says}")
        return 0
    chosen = [rows[name] for name in given.names] or [row for row in rows.values() if row.full]
    well = [
        _run(row, engine, given)
        for row in chosen
        for engine in row.engines
        if given.engine in (None, engine)
    ]
    print(f"{sum(well)} of {len(well)} trials passed")
    return 0 if all(well) else 1


def _read(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a row, as A1")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the faults")
    parser.add_argument("--engine", help="only this one")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_figure,
        metavar="NAME=COUNT",
        help="another figure; may be given again",
    )
    parser.add_argument("--short", action="store_true", help="the figures of the test run")
    parser.add_argument("--list", action="store_true", help="show the rows")
    parser.add_argument("--table", type=Path, default=TABLE, help="[%(default)s]")
    return parser.parse_args(arguments)


def _figure(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    return name, int(count)


def _run(row: Row, engine: str, given: argparse.Namespace) -> bool:
    figures = row.short if given.short or row.full is None else row.full
    lacking = missing(needs_of(row, engine))
    if lacking or figures is None:
        print(f"{row.name} {engine}: not run: {lacking or 'it has no short form'}", flush=True)
        return False
    if unknown := [name for name, _ in given.set if name not in figures]:
        print(f"{row.name} has {', '.join(figures)}, no {', '.join(unknown)}", file=sys.stderr)
        return False
    figures = {**figures, **dict(given.set)}
    folder = Path(tempfile.mkdtemp(prefix=f"pulpo-chaos-{row.name}-{engine}-"))
    print(f"{row.name} {engine}: {row.says}; seed {given.seed}, in {folder}", flush=True)
    result = perform(row, engine, figures, seed=given.seed, folder=folder)
    text = table.line(result, dict(figures), datetime.datetime.now())
    table.append(given.table, text)
    print(text, flush=True)
    if not result.complaints:
        shutil.rmtree(folder)
    return not result.complaints


def _leave(number: int, _: object) -> NoReturn:
    # By an exception, so that what a row has started ends with it.
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(main())
