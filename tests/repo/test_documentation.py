"""The documentation builds, and its reference leaves nothing out."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import pulpo
from pulpo import errors, testing
from pulpo.cli import _pulpo
from pulpo.message import CONTROL_HEADERS
from pulpo.options import JobOptions

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    """Yield every command with its long options, for example `jobs list`."""
    context = click.Context(group)
    yield (
        " ".join(path),
        [option for parameter in group.params for option in parameter.opts if option[:2] == "--"],
    )
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


COMMANDS = dict(commands(_pulpo))


@pytest.mark.timeout(300)
def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reference" / "api" / "index.html").exists()


@pytest.mark.parametrize("name", sorted(set(pulpo.__all__) - {"__version__"}))
def test_a_public_name_is_in_the_api_reference(name: str) -> None:
    listed = re.search(rf"^::: pulpo\.{re.escape(name)}$", page("api.md"), re.MULTILINE)

    # Errors have a page of their own; constants stand in a table.
    assert listed or f"`pulpo.{name}`" in page("api.md") or f"`{name}`" in page("errors.md")


@pytest.mark.parametrize("name", testing.__all__)
def test_a_name_of_the_test_kit_is_in_the_api_reference(name: str) -> None:
    assert f"\n::: pulpo.testing.{name}\n" in page("api.md")


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_is_in_the_reference(name: str) -> None:
    assert f"`{name}`" in page("errors.md")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_and_its_options_are_in_the_reference(command: str) -> None:
    heading = f"## `pulpo {command}`" if command else "# Command line"
    text = page("cli.md")
    start = text.index(heading)
    section = text[start : text.find("\n## ", start + 1) if command else len(text)]

    # What every command takes is said once, at the top.
    own = set(COMMANDS[command]) - (set(COMMANDS[""]) if command else set())
    assert sorted(option for option in own if option not in section) == []


def test_every_option_of_a_job_type_is_in_the_reference() -> None:
    text = page("configuration.md")

    assert [name for name in JobOptions.__annotations__ if f"| `{name}` |" not in text] == []


def test_every_environment_variable_is_in_the_reference() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "pulpo").rglob("*.py"))
    )
    used = set(re.findall(r"\bPULPO_[A-Z_]+\b", sources))
    text = page("configuration.md")

    assert used
    assert [name for name in sorted(used) if f"| `{name}` |" not in text] == []


def test_every_control_header_is_in_the_wire_format() -> None:
    text = page("wire-format.md")

    assert [name for name in sorted(CONTROL_HEADERS) if f"| `{name}` |" not in text] == []
