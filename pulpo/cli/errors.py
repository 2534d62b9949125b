"""What a failed command says and which code it exits with.

0 done, 1 failed, 2 usage, 3 not found, 4 queue out of reach, 5 refused, 130 interrupted. One line
on stderr; a traceback only with `-v`, or where it is a bug of pulpo.
"""

from __future__ import annotations

import re

import click

from pulpo.cli.output import escape
from pulpo.errors import (
    EncodeError,
    LoadError,
    NotAcceptedError,
    PublishUncertainError,
    PulpoError,
    QueueUnavailableError,
    UnsupportedError,
    UsageError,
)
from pulpo.queue_url import mask

__all__ = ["CommandError", "exit_code", "sentence"]

DONE, FAILED, USAGE, NOT_FOUND, OUT_OF_REACH, REFUSED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

# The first class that fits counts: subclasses stand before their parents.
_CODES: tuple[tuple[type[PulpoError], int], ...] = (
    (UnsupportedError, REFUSED),
    (UsageError, USAGE),
    (EncodeError, USAGE),
    (QueueUnavailableError, OUT_OF_REACH),
    (NotAcceptedError, REFUSED),
    (PulpoError, FAILED),
)


class CommandError(Exception):
    """A command that could not do all that it was asked for, with its exit code."""

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code


def exit_code(error: Exception) -> int:
    """Return what the command exits with after this error."""
    if isinstance(error, CommandError | LoadError):
        return error.code if isinstance(error, CommandError) else error.exit_code
    if isinstance(error, click.ClickException):
        return error.exit_code
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def sentence(error: Exception) -> str:
    """Return what a person gets to read: one line, escaped, without the secrets of a URL.

    A module that does not load is the exception: its traceback is what helps its author.
    """
    if isinstance(error, LoadError):
        return escape(f"pulpo: {error}" if error.shown == str(error) else error.shown, keep="\n")
    if isinstance(error, click.UsageError):
        return _usage(error)
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    if isinstance(error, PublishUncertainError) and error.id:
        text += f"; it may be queued: see `pulpo jobs show {error.id}` before publishing it again"
    return f"pulpo: {_safe(text)}"


def _usage(error: click.UsageError) -> str:
    context = error.ctx
    path = context.command_path if context is not None else "pulpo"
    text = _safe(error.format_message())
    return f"{path}: {text[:1].lower()}{text[1:]}\nTry '{path} --help'."


def _safe(text: str) -> str:
    """One line, escaped; a URL in it loses its secrets."""
    masked = re.sub(r"\S+://\S+", lambda found: mask(found[0]), text)
    return escape(" ".join(masked.split("\n")))
