"""The command line of the benchmark: `python -m bench [NAME...]`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.goals import Verdict, judge
from bench.machine import describe, headline
from bench.measure import Measure
from bench.measures import MEASURES
from bench.peers.command import main as measure_peers
from bench.place import ENGINES
from bench.plot import draw
from bench.run import run
from bench.table import as_json, columns, render, short

_NOTE = """
ratio: 1.00 = as good as what it is measured beside, more is better, for times and memory too.
Everything is the median of all rounds, in brackets the least and the most."""

_NAMES = [measure.name for measure in MEASURES]
_FAMILIES = sorted({engine.partition("?")[0] for engine in ENGINES})


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for, print the table and what it says about the goals."""
    # A user's code is compiled once, not at every start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["churn"]:
        from bench.churn import main as churn

        return churn(words[1:])
    if "--peers" in words:
        return measure_peers([word for word in words if word != "--peers"])
    parser = _parser()
    asked = parser.parse_args(words)
    for name in asked.names:
        if name not in _NAMES:
            parser.error(f"no measure is called {name!r}; there are: {', '.join(_NAMES)}")
    machine = describe()
    print(headline(machine), file=sys.stderr)
    measures = [measure for measure in MEASURES if _chosen(measure, asked.names, asked.full)]
    found, broken = run(measures, asked.engine or _FAMILIES, n=asked.n, rounds=asked.rounds)
    if not found:
        print("nothing was measured", file=sys.stderr)
        return 1
    verdicts = judge(found)
    print(render(found))
    print(_NOTE)
    _print_goals(verdicts, [measure for measure in MEASURES if measure not in measures])
    if asked.json:
        text = json.dumps(as_json(found, machine, verdicts), indent=1)
        asked.json.write_text(text + "\n", encoding="utf-8")
    if asked.plot:
        asked.plot.write_text(draw(verdicts, headline(machine).splitlines()[0]), encoding="utf-8")
    if broken:
        print(f"broke, and have no row: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="pulpo beside a bare loop on the same engine, in the same run.",
        epilog="measures, with the jobs of a run:\n"
        + "\n".join(f"  {m.name:15} {m.n:>9,}  {m.about}" for m in MEASURES)
        + "\n\n`./dev bench churn` shows whether a table stays small."
        + "\n`./dev bench --peers` measures other libraries; it has a help of its own.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these, see below")
    parser.add_argument("--engine", action="append", choices=_FAMILIES, help="only this one")
    parser.add_argument("--full", action="store_true", help="the queues of a million jobs, too")
    parser.add_argument("--n", type=_at_least_one, help="jobs a run, instead of each one's own")
    parser.add_argument("--rounds", type=_at_least_one, help="runs of each loop")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the goals there, as SVG")
    return parser


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more: {text!r}")
    return value


def _chosen(measure: Measure, names: Sequence[str], full: bool) -> bool:
    if names:
        return measure.name in names
    return full or not measure.long


def _print_goals(verdicts: Sequence[Verdict], left: Sequence[Measure]) -> None:
    lines = [("goal", "", "", "to reach", "reached", "ratio", ""), *map(_cells, verdicts)]
    if verdicts:
        print("\n" + columns(lines, {4, 5}))
        met = sum(verdict.met for verdict in verdicts)
        print(f"\n{met} of {len(verdicts)} goals met")
    if left:
        print(f"not measured this time: {', '.join(measure.name for measure in left)}")


def _cells(verdict: Verdict) -> tuple[str, ...]:
    goal, ratio = verdict.goal, verdict.ratio
    return (
        goal.measure,
        goal.engine,
        goal.metric,
        goal.text,
        short(verdict.value),
        "-" if ratio is None else f"{ratio:.2f}",
        "met" if verdict.met else "not met",
    )


if __name__ == "__main__":
    raise SystemExit(main())
