"""What goes out: data on stdout, talk on stderr, and never a byte that drives a terminal.

Job types, bodies and error texts were written by others: every character of them that does not
print (controls, escapes, marks that turn the direction of text) is shown as its number.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

import click

from pulpo.printable import escape

__all__ = ["data", "escape", "for_people", "hush", "json_line", "talk", "wants_colour"]

_COLOURS = {"buried": "red", "reserved": "cyan", "delayed": "yellow"}


def data(text: str) -> None:
    """Write one line, or several, to stdout; a reader who has gone away ends the command."""
    try:
        sys.stdout.write(text + "\n")
    except BrokenPipeError:
        hush()
        raise click.exceptions.Exit(0) from None


def hush() -> None:
    """Let stdout lead nowhere: its reader has gone, and Python would complain at the exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def talk(text: str) -> None:
    """Say something to a person, on stderr."""
    click.echo(escape(text, keep="\n"), err=True)


def json_line(value: object) -> str:
    """Return a value as one line of JSON, all ASCII: no terminal and no encoding minds it."""
    return json.dumps(value, allow_nan=False).replace("\x7f", "\\u007f")


def for_people(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: str = "") -> str:
    """Return rows as an aligned table; `right` has an `r` in the place of each column of numbers.

    In colour where stdout is a terminal and `NO_COLOR` is not set (no-color.org).
    """
    cells = [[escape(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    in_colour = wants_colour()
    lines = [_aligned(heads, widths, right, in_colour=False)]
    lines[0] = click.style(lines[0], bold=True) if in_colour else lines[0]
    lines += [_aligned(row, widths, right, in_colour=in_colour) for row in cells]
    return "\n".join(lines)


def _aligned(cells: Sequence[str], widths: Sequence[int], right: str, *, in_colour: bool) -> str:
    padded = [
        cell.rjust(width) if right[place : place + 1] == "r" else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    padded[-1] = padded[-1].rstrip()
    if in_colour:
        padded = [
            click.style(shown, fg=_COLOURS[cell]) if cell in _COLOURS else shown
            for cell, shown in zip(cells, padded, strict=True)
        ]
    return "  ".join(padded).rstrip()


def wants_colour() -> bool:
    """Tell whether stdout is a terminal of somebody who likes colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
