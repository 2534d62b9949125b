"""The mutation check can tell a bug that is seen from one that lives."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from tests.lab.processes import is_alive, until
from tests.mutants.__main__ import main, try_out
from tests.mutants.copy import Copy
from tests.mutants.mutant import Mutant

_TESTS = """
import pytest
from pulpo.duration import seconds

@pytest.fixture
def broken():
    raise ValueError("in its set-up")

def test_a_minute_is_sixty_seconds():
    assert seconds("1m", "delay") == 60

def test_what_cannot_begin(broken):
    pass

def test_what_always_fails():
    assert False
"""

_LEAVES = """
import pathlib, subprocess
import pytest

@pytest.mark.filterwarnings("ignore")
def test_leaves():
    left = subprocess.Popen(["sleep", "300"], start_new_session=True)
    pathlib.Path({noted!r}).write_text(str(left.pid))
"""


@pytest.fixture
def copies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Copy, Copy]:
    """Return two copies of the tree, with a file of tests of which one sees the bug."""
    made = tuple(Copy(tmp_path_factory.mktemp("copies") / name) for name in ("sick", "healthy"))
    for copy in made:
        (copy.folder / "tests" / "test_minute.py").write_text(_TESTS)
        (copy.folder / "tests" / "test_unreadable.py").write_text("import nothing_like_it\n")
    return made  # type: ignore[return-value]


@pytest.fixture
def mutant(copies: tuple[Copy, Copy], tmp_path: Path) -> Mutant:
    """Return a bug: a minute is a second."""
    name = "pulpo/duration.py"
    text = (copies[1].folder / name).read_text()
    changed = text.replace('"m": 60.0', '"m": 1.0')
    assert changed != text
    lines = [each.splitlines(keepends=True) for each in (text, changed)]
    patch = tmp_path / "minute.patch"
    patch.write_text("".join(difflib.unified_diff(*lines, f"a/{name}", f"b/{name}")))
    return Mutant("minute", "A minute is a second.", (("tests/test_minute.py",),), patch)


def test_only_a_test_that_runs_and_says_no_has_seen_a_bug(
    copies: tuple[Copy, Copy], mutant: Mutant, capsys: pytest.CaptureFixture[str]
) -> None:
    found = try_out(mutant, *copies, tests=None)

    assert found.tests == ("tests/test_minute.py::test_a_minute_is_sixty_seconds",)
    # What fails anyway has seen nothing, and what could not begin is not even asked.
    said = capsys.readouterr().err
    assert said == "fails without any bug: tests/test_minute.py::test_what_always_fails\n"


def test_what_a_test_leaves_behind_ends_with_it(copies: tuple[Copy, Copy], tmp_path: Path) -> None:
    _, healthy = copies
    noted = tmp_path / "pid"
    (healthy.folder / "tests" / "test_leaves.py").write_text(_LEAVES.format(noted=str(noted)))

    assert healthy.failures("tests/test_leaves.py") == []

    until(lambda: not is_alive(int(noted.read_text())), "the end of what was left behind")


def test_a_bug_that_no_test_sees_lives(
    copies: tuple[Copy, Copy], mutant: Mutant, capsys: pytest.CaptureFixture[str]
) -> None:
    found = try_out(mutant, *copies, tests=["tests/test_unreadable.py"])

    assert found.tests == ()


def test_a_patch_for_other_code_is_said_and_counts_as_a_bug_that_lives(
    copies: tuple[Copy, Copy], mutant: Mutant, capsys: pytest.CaptureFixture[str]
) -> None:
    sick, healthy = copies
    mutant.patch.write_text(mutant.patch.read_text().replace('"h": 3_600.0', '"h": 3_601.0'))

    found = try_out(mutant, sick, healthy, tests=None)

    assert found.tests == ()
    assert "minute is no bug, but broken code" in capsys.readouterr().err


def test_a_name_that_no_mutant_has_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no_such_bug"]) == 2
    assert "no such mutant: no_such_bug" in capsys.readouterr().out
