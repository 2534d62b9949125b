"""Values on the command line, as types of click: read by the same checks as in Python.

A wrong value is a usage error that names the option. Nothing here opens anything.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import click

from pulpo.duration import seconds
from pulpo.errors import UsageError
from pulpo.identity import MAX_PRIORITY, check_id, check_queue, check_type
from pulpo.message import check_headers, check_moment
from pulpo.size import size_in_bytes

__all__ = [
    "ADDRESS",
    "DURATION",
    "HEADER",
    "ID",
    "MOMENT",
    "PERIOD",
    "PRIORITY",
    "QUEUE",
    "SIZE",
    "TYPE",
    "checked",
]

Value = TypeVar("Value")

_EXAMPLE = "2026-12-01T09:00+01:00"


def checked(check: Callable[[str], Value]) -> Callable[[str], Value]:
    """Return a type of click out of a check that raises `UsageError`."""

    # click turns a plain ValueError into "invalid value" and drops what it says; a BadParameter
    # keeps its words and gets the option's name.
    def convert(text: str) -> Value:
        try:
            return check(text)
        except UsageError as error:
            raise click.BadParameter(str(error)) from None

    return convert


def _duration(text: str) -> float:
    return seconds(text, "it")


def _period(text: str) -> float:
    found = _duration(text)
    if found == 0:
        raise UsageError(f"it must be more than 0: {text!r}")
    return found


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"it must be like {_EXAMPLE!r}: {text!r}") from None
    if found.utcoffset() is None:
        raise UsageError(f"it must say its time zone, like {_EXAMPLE!r}: {text!r}")
    check_moment(found, "it")
    return found


def _size(text: str) -> int:
    return size_in_bytes(text, "it")


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65_535 or (colon and not host):
        raise UsageError(f"it must be like '9100' or '0.0.0.0:9100': {text!r}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"it must be like 'tenant=acme': {text!r}")
    check_headers({name: value})
    return name, value


ADDRESS = checked(_address)
DURATION = checked(_duration)
PERIOD = checked(_period)
MOMENT = checked(_moment)
SIZE = checked(_size)
QUEUE = checked(check_queue)
TYPE = checked(check_type)
ID = checked(check_id)
HEADER = checked(_header)
PRIORITY = click.IntRange(0, MAX_PRIORITY)
