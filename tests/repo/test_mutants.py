"""The patches of the mutation check do not rot: each goes into pulpo, and names tests there are."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant, all_mutants, apply_command

ROOT = Path(__file__).parents[2]
MUTANTS = all_mutants()
each = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


def test_there_are_twelve_known_bugs() -> None:
    assert len(MUTANTS) >= 12


@each
def test_a_patch_applies_to_this_pulpo_and_to_nothing_else(mutant: Mutant, tmp_path: Path) -> None:
    # In a folder of its own: git says nothing of a patch for files outside the repository.
    shutil.copytree(ROOT / "pulpo", tmp_path / "pulpo", ignore=shutil.ignore_patterns("*.pyc"))

    done = subprocess.run(
        apply_command(mutant, "--check", "--verbose"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, f"{done.stderr}\nwrite {mutant.patch.name} anew"
    assert "Checking patch pulpo/" in done.stderr
    assert {path.split("/")[0] for path in _paths(mutant)} == {"pulpo"}


@each
def test_a_patch_says_what_is_wrong_and_who_should_see_it(mutant: Mutant) -> None:
    assert mutant.says.endswith(".")
    assert mutant.caught_by
    for path, *rest in mutant.caught_by:
        name, _, test = path.partition("::")
        text = "".join(file.read_text(encoding="utf-8") for file in _files(ROOT / name))
        assert text, f"{name} is not there"
        assert f"def {test.partition('[')[0]}" in text
        assert rest[:1] in ([], ["-k"])


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _paths(mutant: Mutant) -> list[str]:
    lines = mutant.patch.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("+++ b/") for line in lines if line.startswith("+++ ")]
