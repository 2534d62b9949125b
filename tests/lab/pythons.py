"""Other Pythons of this machine, and environments made with them, kept between runs of the tests.

Knows pip and the usual places of interpreters, not what is tested with them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["environment_with", "find_python"]


def find_python(least: tuple[int, int]) -> Path | None:
    """Return an interpreter that is new enough, this one if it is."""
    if sys.version_info >= least:
        return Path(sys.executable)
    check = f"import sys, venv; sys.exit(sys.version_info < {least!r})"
    for found in _candidates():
        try:
            done = subprocess.run([found, "-c", check], capture_output=True, timeout=30)
        except OSError:
            continue
        if done.returncode == 0:
            return Path(found)
    return None


def _candidates() -> Iterator[str]:
    for minor in range(30, 11, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            yield found
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for path in sorted(root.glob("versions/3.*/bin/python"), reverse=True):
        yield str(path)


def environment_with(python: Path, requirements: Sequence[str], name: str) -> Path:
    """Return the interpreter of an environment that has these packages; made where it is missing.

    It lies in the environment of the tests and goes with it.
    """
    folder = Path(sys.prefix) / name
    inside = folder / "bin" / "python"
    stamp, wanted = folder / "made-of", "\n".join([str(python), *requirements])
    if not stamp.exists() or stamp.read_text() != wanted:
        _run(python, "-m", "venv", "--clear", folder)
        _run(inside, "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements)
        stamp.write_text(wanted)
    return inside


def _run(*words: str | Path) -> None:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{words}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
