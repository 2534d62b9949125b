"""The options that say what of a job is not shown, the same for every command that shows one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from pulpo.cli.parameters import checked
from pulpo.redacting import configured
from pulpo.redaction import Redaction, check_patterns

__all__ = ["hiding", "redact_option", "redact_options"]

Command = TypeVar("Command", bound=Callable[..., object])


def _name(text: str) -> str:
    check_patterns([text])
    return text


#: For what is shown to others: nothing there reveals what is hidden.
redact_option = click.option(
    "--redact",
    type=checked(_name),
    multiple=True,
    metavar="NAME",
    help="Hide values under this name too, like iban or card*; may be given several times.",
)


def redact_options(command: Command) -> Command:
    """Give a command `--redact` and `--reveal`."""
    reveal = click.option("--reveal", is_flag=True, help="Show passwords, tokens and the like too.")
    return redact_option(reveal(command))


def hiding(redact: Sequence[str], *, reveal: bool) -> Redaction:
    """Return what these options hide."""
    return Redaction(()) if reveal else configured(redact)
