"""`pulpo init`: a small project to start from, that works as it is.

What it writes is here as text; every line of it is run by a test.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from pulpo.adapters import open_engine
from pulpo.cli.errors import FAILED, REFUSED, CommandError
from pulpo.cli.output import data, talk
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.configuration import DEFAULT_URL

__all__ = ["init"]

_TASKS = '''"""The jobs of this project: each is a function that a worker calls later."""

import pulpo


@pulpo.job(type="greet")
def greet(name: str) -> None:
    """Say hello."""
    print(f"Hello, {name}!")


@pulpo.job(type="mail.welcome", queue="mail", retries=8)
def welcome(user_id: int, *, lang: str = "en") -> None:
    """Raise, and the job is retried, with growing delays; out of retries it is buried."""
    print(f"mail to user {user_id} in {lang}")


if __name__ == "__main__":
    print(greet.delay("world").id)
    print(welcome.delay(7, lang="de").id)
'''

_PYPROJECT = """[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["pulpo-messaging"]

[tool.pulpo]
url = {url}
"""

_README = """# {name}

    python tasks.py               # puts two jobs into their queues
    pulpo stats                   # shows them
    pulpo worker tasks            # runs them, until Ctrl-C
    pulpo jobs list               # what is left, and why

The jobs are in `tasks.py`, the settings in `pyproject.toml`, the queue in `.pulpo/`.
"""

_IGNORED = ".pulpo/\n__pycache__/\n"


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@target_options
@pass_target
def init(target: Target, folder: Path) -> None:
    """Make a small project to start from, in a folder or in the current one.

    Nothing is overwritten: where any of its files is there already, none is written. The queue is
    that of --url, else a file.

    \b
    pulpo init shop
    """
    url = DEFAULT_URL if target.url is None else target.url
    open_engine(url)  # checks it, connects to nothing
    name = re.sub(r"[^a-z0-9]+", "-", folder.absolute().name.lower()).strip("-") or "jobs"
    files = {
        "tasks.py": _TASKS,
        "pyproject.toml": _PYPROJECT.format(name=name, url=json.dumps(url)),
        "README.md": _README.format(name=name),
        ".gitignore": _IGNORED,
    }
    there = [file for file in files if (folder / file).exists() or (folder / file).is_symlink()]
    if there:
        raise CommandError(
            f"nothing was written: {', '.join(there)} would be overwritten in {str(folder)!r}",
            code=REFUSED,
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            with (folder / file).open("x", encoding="utf-8") as opened:
                opened.write(text)
    except OSError as error:
        text = f"{str(folder)!r} can't be written: {error.strerror}"
        raise CommandError(text, code=FAILED) from error
    for file in files:
        data(str(folder / file))
    where = "" if folder.absolute() == Path.cwd() else f"cd {folder}; "
    talk(f"now: {where}python tasks.py; pulpo worker tasks")
