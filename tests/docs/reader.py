"""A reader who does what a page says: one folder, one shell, one Python, from top to bottom."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from .blocks import RUN, Block, Command, commands, missing

_END = "---the-end-of-one-command---"
# What a reader has in the environment, where a page says so in a comment.
_NEEDS = re.compile(r"<!-- needs: ([A-Z_]+)=(\S+) -->")

# The reader's Python: code comes in as JSON lines, what became of it goes out as JSON lines.
_PYTHON = """
import json, os, sys, traceback
answers, sys.stdin = sys.stdin, open(os.devnull)
names = sys.modules["__main__"].__dict__
sys.path.insert(0, "")
for line in answers:
    asked, failed = json.loads(line), None
    try:
        exec(compile("\\n" * (asked["line"] - 1) + asked["code"], asked["page"], "exec"), names)
    except BaseException:
        failed = traceback.format_exc()
    sys.stdout.flush()
    print("\\n" + asked["end"] + json.dumps(failed), flush=True)
"""


class Reader:
    """Runs the blocks of one page in a folder of its own; a failure names page and line."""

    def __init__(self, page: Path, folder: Path, replacements: dict[str, str]) -> None:
        self._page = page
        self._folder = folder / "reader"
        self._folder.mkdir()
        self._talk = folder / "stderr"  # apart, or its lines fall into the middle of others
        self._talk.touch()
        self._replacements = replacements
        self._env = {
            name: value for name, value in os.environ.items() if not name.startswith("PULPO_")
        }
        self._env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._env["HOME"] = self._env["XDG_STATE_HOME"] = str(self._folder)
        self._env.update(_NEEDS.findall(page.read_text(encoding="utf-8")))
        self._shell = self._start(["bash", "--noprofile", "--norc"])
        self._python: subprocess.Popen[str] | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        for process in (self._shell, self._python):
            if process is not None and process.stdin and process.stdout:
                process.stdin.close()
                # The whole group: a page that failed may have left a server running.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.stdout.close()
                process.wait(timeout=30)

    def read(self, block: Block) -> None:
        """Do what one block says."""
        text = block.text
        for old, new in self._replacements.items():
            text = text.replace(old, new)
        block = Block(language=block.language, title=block.title, text=text, line=block.line)
        if block.title is not None:
            self._write(block, block.title)
        elif block.language == "python":
            self._exec(block)
        elif block.language == "console":
            self._converse(block)
        else:
            assert block.language not in RUN

    def _write(self, block: Block, name: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        if path.suffix == ".py":  # a module that no command mentions is imported all the same
            module = ".".join(Path(name).with_suffix("").parts)
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", f"import {module}"],
                cwd=self._folder,
                env=self._env,
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode == 0, f"{self._page}:{block.line}: {name}\n{done.stderr}"

    def _exec(self, block: Block) -> None:
        if self._python is None:
            self._python = self._start([sys.executable, "-c", _PYTHON])
        asked = {"code": block.text, "line": block.line, "page": str(self._page), "end": _END}
        printed, answer = self._ask(self._python, json.dumps(asked))
        failed = json.loads(answer)
        assert failed is None, f"{self._page}:{block.line}\n{printed}\n{failed}"

    def _converse(self, block: Block) -> None:
        asked = commands(block)
        for command, following in zip(asked, [*asked[1:], None], strict=True):
            printed, code = self._run(command)
            where = f"{self._page}:{command.line}: $ {command.text}\n{printed}"
            # A command may fail where the page shows its exit code in the next line.
            if following is None or following.text != "echo $?":
                assert code == 0, f"{where}\nexit code {code}"
            line = missing(command.shown, printed)
            assert line is None, f"{where}\nthe page shows, and it was not printed: {line!r}"

    def _run(self, command: Command) -> tuple[str, int]:
        script = (
            f"( exit ${{last:-0}} )\n{{ {command.text}\n}} </dev/null 2>'{self._talk}'\nlast=$?\n"
            f"printf '\\n{_END}%s\\n' $last"
        )
        printed, answer = self._ask(self._shell, script)
        return printed + self._talk.read_text(encoding="utf-8"), int(answer)

    def _start(self, arguments: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            arguments,
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _ask(self, process: subprocess.Popen[str], text: str) -> tuple[str, str]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text + "\n")
        process.stdin.flush()
        printed: list[str] = []
        for line in process.stdout:
            if line.startswith(_END):
                return "".join(printed), line.removeprefix(_END)
            printed.append(line)
        raise AssertionError(f"{self._page}: the process ended\n{''.join(printed)}")
