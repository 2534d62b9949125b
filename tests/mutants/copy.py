"""A copy of the tree in a folder of its own, changed at will, with tests that run in it.

What is copied is what git does not ignore, as it is in the working tree. Knows no mutants.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.failures import FILE

__all__ = ["ROOT", "Copy"]

ROOT = Path(__file__).resolve().parents[2]
_LONGEST_RUN = 1_800.0
# In the environment of all that runs in a copy. Tests take away what is called PULPO_.
_MARK = "RUNS_IN_COPY"


class Copy:
    """One copy. Raises `RuntimeError` where what is run in it would not be its own pulpo."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in _tracked():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target, follow_symlinks=False)

    def run(self, command: Sequence[str], **environ: str) -> str:
        """Run a command there to its end; return what it said. Raises `RuntimeError` on failure."""
        done = subprocess.run(
            command, cwd=self.folder, env=self._environ(**environ), capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def check(self) -> None:
        """See that all of this copy's pulpo can be imported, and is what is imported."""
        code = (
            "import importlib, pkgutil, pulpo\n"
            "for module in pkgutil.walk_packages(pulpo.__path__, 'pulpo.'):\n"
            "    if module.name == 'pulpo.__main__' or '.django' in module.name:\n"
            "        continue\n"  # a program, and what needs a project's settings
            "    importlib.import_module(module.name)\n"
            "print(pulpo.__file__)"
        )
        found = Path(self.run([sys.executable, "-c", code]).strip())
        if self.folder.resolve() not in found.resolve().parents:
            raise RuntimeError(f"not the copy's own: {found}")

    def failures(self, *arguments: str) -> list[str]:
        """Run tests there; return the ids of those that fail. They end with all they started."""
        noted = self.folder / "failed-tests.txt"
        noted.unlink(missing_ok=True)
        plugin = ["-p", "tests.mutants.failures", "-p", "no:cacheprovider"]
        with (self.folder / "said.txt").open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-q", "--tb=short", *plugin, *arguments],
                cwd=self.folder,
                env=self._environ(**{FILE: str(noted)}),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            process.wait(_LONGEST_RUN)
        except subprocess.TimeoutExpired:
            print(f"not over after {_LONGEST_RUN:.0f} s: {' '.join(arguments)}", file=sys.stderr)
        finally:
            process.kill()
            process.wait()
            self._end_all()
        return noted.read_text(encoding="utf-8").splitlines() if noted.exists() else []

    def _end_all(self) -> None:
        """Kill what was started here and still runs: workers have process groups of their own."""
        mark = b"\0%s=%s\0" % (_MARK.encode(), os.fsencode(self.folder))
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # gone, or not ours
                if mark in b"\0" + path.read_bytes():
                    os.kill(int(path.parent.name), signal.SIGKILL)

    def _environ(self, **more: str) -> dict[str, str]:
        # Above it there may be a repository, whose git would apply nothing here without a word.
        mine = {
            "PYTHONPATH": str(self.folder),
            _MARK: str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "GIT_CEILING_DIRECTORIES": str(self.folder.parent),
        }
        # Its tests are no part of a run that is spread over several processes itself.
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        return {**kept, **mine, **more}


def _tracked() -> list[str]:
    """Return the files of the repository, or of an unpacked source distribution."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        found = [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts]
        return [str(path.relative_to(ROOT)) for path in found]
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
