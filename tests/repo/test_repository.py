"""What a stranger finds in a clone: two commands, a changelog, a licence, no trace of a machine."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked() -> list[Path]:
    """Return the files of the repository, or of an unpacked source distribution."""
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts]
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


# Written in pieces, so that this file does not find itself.
_FORBIDDEN = re.compile(
    "|".join(
        (
            "/" + r"(?:home|Users|root|work)/\w",
            r"pypi\." + r"org",
            r"pythonhosted\." + r"org",
            r"npmjs\." + r"(?:org|com)",
        )
    )
)


def test_no_file_names_a_machine_path_or_a_registry() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {m[0]}" for m in _FORBIDDEN.finditer(text)]

    assert found == []


def test_the_changelog_opens_with_what_is_unreleased() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))

    assert headings[0] == "[Unreleased]"
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_a_newcomer_is_shown_the_two_commands(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    assert "./dev demo" in text
    assert "./dev test" in text


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert "Apache License" in text
    assert "Version 2.0" in text
    assert project["license"] == "Apache-2.0"


def test_dev_alone_lists_every_verb_that_it_knows() -> None:
    source = (ROOT / "dev").read_text(encoding="utf-8")
    cases = source[source.rindex("case $verb in") :]
    known = set(re.findall(r"^    ([a-z-]+)\)", cases, re.MULTILINE))

    done = subprocess.run(["./dev"], cwd=ROOT, capture_output=True, text=True, check=True)

    listed = set(re.findall(r"^  ([a-z-]+) ", done.stdout, re.MULTILINE))
    assert known == listed
    assert known == {"demo", "test", "check-fast", "bench", "chaos", "mutants", "docs"}


def test_dev_refuses_a_verb_that_it_does_not_know() -> None:
    done = subprocess.run(["./dev", "tset"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "'tset'" in done.stderr


def test_dev_works_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(ROOT / "dev"), "help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert "usage: ./dev" in done.stdout


def test_the_ci_runs_the_test_command_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    if not script.exists():  # a source distribution has no CI
        assert not (ROOT / ".git").exists()
        return
    last = script.read_text(encoding="utf-8").strip().splitlines()[-1]

    assert last == "exec ./dev test"
    assert script.stat().st_mode & 0o111
