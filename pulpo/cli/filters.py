"""The options that say which jobs are meant, the same for every command that takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import click

from pulpo.cli.parameters import DURATION, QUEUE, TYPE, checked
from pulpo.job import JobState
from pulpo.job_filter import JobFilter, Where

__all__ = ["filter_options", "take_filter"]

Command = TypeVar("Command", bound=Callable[..., object])

_STATES = [state.value for state in JobState]
_OPTIONS = (
    click.option("-q", "--queue", type=QUEUE, metavar="NAME", help="Only of this queue."),
    click.option("--state", type=click.Choice(_STATES), help="Only in this state."),
    click.option(
        "--type",
        type=TYPE,
        metavar="TYPE",
        help="Only of this job type; mail.* means all that begin so.",
    ),
    click.option("--error", metavar="TEXT", help="Only with this text in one of its errors."),
    click.option(
        "--older",
        type=DURATION,
        metavar="DURATION",
        help="Only if accepted so long ago or longer.",
    ),
    click.option(
        "--newer", type=DURATION, metavar="DURATION", help="Only if accepted so long ago or less."
    ),
    click.option(
        "--where",
        type=checked(Where.parse),
        multiple=True,
        metavar="PLACE=VALUE",
        help="Only with this value in the body, like body.user_id=7; several times: all of them.",
    ),
)
_NAMES = ("queue", "state", "type", "error", "older", "newer", "where")


def filter_options(command: Command) -> Command:
    """Give a command the options of a filter."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_filter(options: dict[str, object]) -> JobFilter:
    """Take what these options say out of a command's options, as a filter."""
    said: Mapping[str, object] = {name: options.pop(name) for name in _NAMES}
    state = said["state"]
    return JobFilter(**{**said, "state": None if state is None else JobState(state)})  # type: ignore[arg-type]  # as click has read them
