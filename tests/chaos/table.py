"""The table of results: a line for each trial, so that rows can be run over several days."""

from __future__ import annotations

import datetime
from pathlib import Path

from tests.chaos.trial import Result

__all__ = ["append", "line"]

_HEAD = """\
| Row | Engine | What | Figures | Happened | Seed | Took | Result | When |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def line(result: Result, figures: dict[str, int], when: datetime.datetime) -> str:
    """Return a trial's line."""
    cells = (
        result.row.name,
        result.engine,
        result.row.says,
        _list(figures),
        _list(dict(result.counted)),
        str(result.seed),
        f"{result.seconds:.0f} s",
        "; ".join(result.complaints).replace("\n", " ") or "passed",
        when.strftime("%Y-%m-%d %H:%M"),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def append(table: Path, text: str) -> None:
    """Add a line to the table, which is begun where there is none."""
    table.parent.mkdir(parents=True, exist_ok=True)
    new = not table.exists()
    with table.open("a") as file:
        file.write((_HEAD if new else "") + text + "\n")


def _list(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())
