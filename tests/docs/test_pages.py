"""Every page does what it says: its blocks run from top to bottom, as a reader would run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.beanstalkd import Beanstalkd, free_port
from tests.lab.postgresql import as_user

from .blocks import PAGES, ROOT, RUN, SHOWN, blocks, commands, missing
from .reader import Reader

RUNNABLE = [page for page in PAGES if any(b.language in RUN for b in blocks(page))]


@pytest.fixture
def own_beanstalkd(beanstalkd_program: str) -> Iterator[Beanstalkd]:
    """Return a server of the page's own: it shows the numbers of its first jobs."""
    with Beanstalkd() as server:
        yield server


@pytest.fixture
def postgresql_programs(postgresql_program: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder for a page that starts servers; its programs are no user's but PostgreSQL's.

    In /tmp, where another user may pass. What a failing page leaves running is stopped.
    """
    folder = Path(tempfile.mkdtemp(prefix="pulpo-page-", dir="/tmp"))
    folder.chmod(0o777)
    (folder / "bin").mkdir()
    user = as_user()
    become = (
        f"setpriv --reuid={user['user']} --regid={user['group']} --clear-groups" if user else ""
    )
    for program in Path(postgresql_program).iterdir():
        own = folder / "bin" / program.name
        own.write_text(f'#!/bin/sh\nexec {become} {program} "$@"\n')
        own.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    previous = os.umask(0)
    yield folder
    os.umask(previous)
    for data in folder.glob("*/*/postmaster.pid"):
        stop = [folder / "bin" / "pg_ctl", "-D", data.parent, "-m", "immediate", "stop"]
        subprocess.run(stop, capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_uses_only_languages_that_the_reader_knows(page: Path) -> None:
    unknown = {b.language for b in blocks(page)} - RUN - SHOWN
    # A `$ ` prompt in a block that is not run would look as if it had been.
    prompts = [b.line for b in blocks(page) if b.language != "console" and "\n$ " in "\n" + b.text]

    assert (unknown, prompts) == (set(), [])


@pytest.mark.parametrize("page", RUNNABLE, ids=name)
def test_the_blocks_of_a_page_run(
    page: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    text = page.read_text(encoding="utf-8")
    replacements = {}
    if "<!-- needs: beanstalkd -->" in text:
        replacements["11300"] = str(request.getfixturevalue("own_beanstalkd").port)
    if "<!-- needs: postgresql -->" in text:
        server = request.getfixturevalue("postgresql")
        replacements["postgresql://shop@127.0.0.1:5432/shop"] = server.url
    if "<!-- needs: port 8000 -->" in text:
        replacements["8000"] = str(free_port())
    folder = tmp_path
    if "<!-- needs: postgresql programs -->" in text:
        folder = request.getfixturevalue("postgresql_programs")
        replacements |= {"5432": str(free_port()), "5433": str(free_port())}

    with Reader(page, folder, replacements) as reader:
        for block in blocks(page):
            reader.read(block)


def test_a_block_that_fails_is_told_by_page_and_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# x\n\n```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n")

    with Reader(page, tmp_path, {}) as reader:
        reader.read(blocks(page)[0])
        with pytest.raises(AssertionError, match=r'page\.md", line 8'):
            reader.read(blocks(page)[1])


def test_a_command_that_fails_or_prints_something_else_is_told(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ echo one\ntwo\n```\n```console\n$ false\n```\n"
        "```console\n$ false\n$ echo $?\n1\n$ export A=b\n```\n```console\n$ echo $A\nb\n```\n"
    )
    wrong, failing, expected, later = blocks(page)

    with Reader(page, tmp_path, {}) as reader:
        with pytest.raises(AssertionError, match="'two'"):
            reader.read(wrong)
        with pytest.raises(AssertionError, match="exit code 1"):
            reader.read(failing)
        reader.read(expected)
        reader.read(later)


def test_shown_lines_match_in_order_and_loosely(tmp_path: Path) -> None:
    printed = "a 0198f2d0-0000-7000-8000-000000000001 12 ms\nb  c\n"

    assert missing(("a 0198f2d0-1111-7111-8111-111111111111 3.5 ms", "b ..."), printed) is None
    assert missing(("b c", "a ..."), printed) == "a ..."
    assert missing(("a 1", "a 1", "b 2"), "a 1b 2\na 1\n\n") == "b 2"
    assert missing(("a 1", "a 1", "b 2"), "a 1\na 1b 2\n\n") is None
    assert missing(("a 1", "a 1"), "a 1\na 12\n") == "a 1"


def test_a_console_block_knows_commands_over_two_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo a \\\n    b\na b\n```\n")

    (command,) = commands(blocks(page)[0])

    assert (command.text, command.shown) == ("echo a \\\n    b", ("a b",))
