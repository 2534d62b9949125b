"""The code blocks of a page: what stands between its fences, and what the fence says of it.

Knows no process: running the blocks is `reader.py`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    + [page for page in (ROOT / "docs").rglob("*.md") if "adr" not in page.parts]
)

# What a fence may say: these two are run, all others are shown, or written where they have a title.
RUN = {"python", "console"}
SHOWN = {"dockerfile", "ini", "javascript", "json", "mermaid", "shell", "sql", "text", "toml"}

_FENCE = re.compile(r"^( *)```(.+?)\n(.*?)^\1``` *$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'\btitle="([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block; `line` is where its first line stands in the page."""

    language: str
    title: str | None
    text: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a console block, and the lines that the page shows below it."""

    text: str
    shown: tuple[str, ...]
    line: int


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        info = match[2].strip()
        title = _TITLE.search(info)
        found.append(
            Block(
                language=info.split()[0],
                title=title[1] if title else None,
                text=textwrap.dedent(match[3]),
                line=text.count("\n", 0, match.start()) + 2,
            )
        )
    return found


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block; a line that ends in a backslash goes on."""
    found: list[Command] = []
    lines = iter(enumerate(block.text.splitlines(), block.line))
    for number, line in lines:
        if line.startswith("$ "):
            text = line[2:]
            while text.endswith("\\"):
                text += "\n" + next(lines)[1]
            found.append(Command(text=text, shown=(), line=number))
        elif not found:
            raise AssertionError(f"line {number}: a console block starts with a command: {line!r}")
        else:
            last = found.pop()
            found.append(Command(text=last.text, shown=(*last.shown, line), line=last.line))
    return found


_MOVING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d\d:\d\d:\d\d([.,]\d+)?\b"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s)\b"), "<duration>"),
    (re.compile(r"\bpid[ =]\d+"), "<pid>"),
)


def still(line: str) -> str:
    """Return a line without what differs from run to run: ids, times, spacing."""
    for pattern, word in _MOVING:
        line = pattern.sub(word, line)
    return " ".join(line.split())


def _apart(printed: Iterable[str], shown: Collection[str]) -> Iterator[str]:
    """Yield each line on its own, also where one is two.

    `print` writes a line and its end apart: two threads may write both lines and then both ends.
    """
    whole = "|".join(re.escape(line) for line in shown if line.strip(". "))
    for line in printed:
        if whole and re.fullmatch(f"(?:{whole}){{2,}}", line):
            yield from re.findall(whole, line)
        else:
            yield line


def missing(shown: tuple[str, ...], printed: str) -> str | None:
    """Return the first line of a page that was not printed, in order; `...` stands for anything."""
    lines = _apart([still(line) for line in printed.splitlines()], {still(line) for line in shown})
    for line in shown:
        wanted = still(line)
        if wanted in ("", "..."):
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("...")))
        if not any(pattern.fullmatch(candidate) for candidate in lines):
            return line
    return None
