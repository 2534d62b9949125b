"""The mutation check: does a test turn red for each of the known bugs?

    python -m tests.mutants                     every mutant
    python -m tests.mutants no_sync one_write   these
    python -m tests.mutants --with tests/chaos  what do these tests see, and nothing else?

A mutant has a copy of the tree to itself. The tests that its patch names are run there; if none of
them fails, the whole suite. What failed must pass in a copy without the bug, or it does not count.
Exit code 1 where a mutant lives, 2 for a name that none has.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.copy import Copy
from tests.mutants.mutant import Mutant, all_mutants, apply_command

# What the repository looks like is no matter of bugs: the patches themselves are tested there.
_WHOLE_SUITE = ("-n", "auto", "--maxprocesses", "4", "--maxfail=3", "tests")
_WHOLE_SUITE += ("--ignore=tests/repo", "--ignore=tests/mutants")
_MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class _Found:
    """The tests that have seen a mutant, and the seconds that it took."""

    mutant: Mutant
    tests: tuple[str, ...]
    seconds: float


def main(arguments: list[str] | None = None) -> int:
    """Try the mutants that were asked for, and print a table."""
    given = _read(arguments)
    mutants = {mutant.name: mutant for mutant in all_mutants()}
    unknown = [name for name in given.names if name not in mutants]
    if unknown:
        print(f"no such mutant: {', '.join(unknown)}; there are {', '.join(mutants)}")
        return 2
    if given.list:
        for mutant in mutants.values():
            print(f"{mutant.name:26} {mutant.says}")
        return 0
    found = []
    with tempfile.TemporaryDirectory(prefix="pulpo-mutants-") as place:
        healthy = Copy(Path(place) / "healthy")
        healthy.check()
        for name in given.names or mutants:
            folder = Path(place) / name
            found.append(try_out(mutants[name], Copy(folder), healthy, tests=given.tests))
            print(_line(found[-1]), flush=True)
    caught = sum(bool(each.tests) for each in found)
    print(f"{caught} of {len(found)} mutants caught")
    return 0 if caught == len(found) else 1


def _read(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev mutants", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a mutant, as no_sync")
    parser.add_argument(
        "--with",
        dest="tests",
        type=shlex.split,
        metavar="ARGUMENTS",
        help="run pytest with these, instead of the tests that a patch names",
    )
    parser.add_argument("--list", action="store_true", help="show the mutants")
    return parser.parse_args(arguments)


def try_out(mutant: Mutant, copy: Copy, healthy: Copy, *, tests: list[str] | None) -> _Found:
    """Put a bug into a copy, and see which tests see it; `tests` in place of those it names."""
    started = time.monotonic()
    try:
        copy.run(apply_command(mutant))
        copy.check()
    except RuntimeError as error:
        print(f"{mutant.name} is no bug, but broken code: {error}", file=sys.stderr)
        return _Found(mutant, (), time.monotonic() - started)
    runs = mutant.caught_by if tests is None else (tuple(tests),)
    seen = _seen(copy, healthy, runs)
    if not seen and tests is None:
        seen = _seen(copy, healthy, (_WHOLE_SUITE,))
    return _Found(mutant, seen, time.monotonic() - started)


def _seen(copy: Copy, healthy: Copy, runs: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    failed = [test for run in runs for test in copy.failures(*run)]
    failed = list(dict.fromkeys(failed))
    sick = healthy.failures(*failed) if failed else []
    for test in sick:
        print(f"fails without any bug: {test}", file=sys.stderr)
    return tuple(test for test in failed if test not in sick)


def _line(found: _Found) -> str:
    shown = list(found.tests[:_MOST_SHOWN])
    if len(found.tests) > _MOST_SHOWN:
        shown.append(f"and {len(found.tests) - _MOST_SHOWN} more")
    what = "caught" if shown else "LIVES "
    return "\n    ".join([f"{found.mutant.name:26} {what} {found.seconds:4.0f} s", *shown])


if __name__ == "__main__":
    sys.exit(main())
