"""What every command is told: which queue, and how much to say.

`--url` and `-v` stand before the verb or after it; the one after it counts. Click only: reading
the command line connects to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

__all__ = ["Target", "pass_target", "target_options"]

Command = TypeVar("Command", bound=Callable[..., object])


class Target:
    """The queue's URL, None where nobody gave one, and whether to say more than needed."""

    def __init__(self) -> None:
        self.url: str | None = None
        self.verbose = False


pass_target = click.make_pass_decorator(Target, ensure=True)


def target_options(command: Command) -> Command:
    """Give a command `--url` and `-v`."""
    url = click.option(
        "--url",
        metavar="URL",
        expose_value=False,
        callback=_set_url,
        help="The queue, like sqlite:///queue.db.  [default: PULPO_URL, or the settings file's]",
    )
    verbose = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_set_verbose,
        help="Say more, on stderr.",
    )
    return url(verbose(command))


def _set_url(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Target).url = value


def _set_verbose(context: click.Context, _: click.Parameter, value: bool) -> None:
    target = context.ensure_object(Target)
    target.verbose = target.verbose or value
