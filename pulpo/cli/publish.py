"""`pulpo publish`: one job by hand, for any type; this process need not know it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import datetime
from typing import NoReturn

import click

from pulpo.app import Pulpo
from pulpo.cli.door import shared_url
from pulpo.cli.output import data, talk
from pulpo.cli.parameters import DURATION, HEADER, MOMENT, PRIORITY, QUEUE, TYPE
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.message import Message

__all__ = ["publish"]


@click.command()
@click.argument("type", type=TYPE)
@click.argument("body", metavar="[JSON]", required=False)
@click.option("-q", "--queue", type=QUEUE, metavar="NAME", help="The queue it waits in.")
@click.option("--delay", type=DURATION, metavar="DURATION", help="Run it later, like 5m.")
@click.option("--at", type=MOMENT, metavar="TIME", help="Run it then: ISO 8601 with a time zone.")
@click.option(
    "--priority", type=PRIORITY, metavar="N", help="0 is the most urgent.  [default: 65536]"
)
@click.option(
    "--id", metavar="ID", help="An id of your own: the same one twice within a day is one job."
)
@click.option("--expires", type=DURATION, metavar="DURATION", help="Not worth running after.")
@click.option(
    "--header",
    "headers",
    type=HEADER,
    multiple=True,
    metavar="NAME=VALUE",
    help="A header of yours; may be given several times.",
)
@target_options
@pass_target
def publish(
    target: Target,
    *,
    type: str,
    body: str | None,
    queue: str | None,
    delay: float | None,
    at: datetime | None,
    priority: int | None,
    expires: float | None,
    id: str | None,
    headers: tuple[tuple[str, str], ...],
) -> None:
    """Put a job into its queue and print its id.

    JSON is the body of the job, null where it is left out; - reads it from stdin.

    \b
    pulpo publish mail.welcome '{"user_id": 7}' --delay 5m
    pulpo publish report.daily --at 2026-12-01T09:00+01:00 --priority 10
    pulpo publish order.ship '{"order": 17}' --id order-17
    """
    if delay is not None and at is not None:
        raise click.UsageError("give --delay or --at, not both")
    message = Message(
        type=type,
        body=_parse(_text(body)),
        headers=_as_map(headers),
        queue=queue,
        priority=priority,
        delay=delay,
        at=at,
        expires=expires,
    )
    if id is not None:
        message = replace(message, id=id, own_id=True)
    with Pulpo(shared_url(target)) as app:
        reference = app.publish(message)
    data(reference.id)
    if reference.existing:
        talk(f"nothing was added: {reference.id!r} is there already, and holds the key of this one")
    elif target.verbose:
        talk(f"put {type!r} into {reference.queue!r}")


def _text(body: str | None) -> str:
    if body != "-":
        return "null" if body is None else body
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"stdin is not UTF-8 at byte {error.start}") from None


def _parse(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise click.UsageError(
            f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}: "
            f"{text[max(error.pos - 10, 0) : error.pos + 20]!r}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"not JSON: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


def _as_map(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    found = dict(headers)
    if len(found) != len(headers):
        raise click.UsageError("the same --header twice")
    return found
