"""The command line: `pulpo`, and `python -m pulpo`.

This file knows which verbs there are and how a command ends; each verb has its file, loaded only
when it is called, so that `pulpo stats` does not pay for the worker.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn, cast

import click

from pulpo.cli.errors import DONE, INTERRUPTED, CommandError, exit_code, sentence
from pulpo.cli.output import hush
from pulpo.cli.target import Target, target_options
from pulpo.cli.verbs import Verbs, help_without_verb
from pulpo.errors import PulpoError

__all__ = ["main", "run"]

# Verb: module, attribute, what `pulpo --help` says about it.
_VERBS = {
    "worker": ("pulpo.cli.worker", "worker", "Run jobs."),
    "publish": ("pulpo.cli.publish", "publish", "Put a job into its queue, print its id."),
    "stats": ("pulpo.cli.stats", "stats", "Count the jobs of each queue."),
    "top": ("pulpo.cli.top", "top", "Watch queues, workers and types."),
    "workers": ("pulpo.cli.workers", "workers", "List who works, and on what."),
    "limits": (
        "pulpo.cli.limits",
        "limits",
        "List which limits hold jobs back, and who has slots.",
    ),
    "jobs": ("pulpo.cli.jobs", "jobs", "List, show, kick, delete, move, bury and edit jobs."),
    "schedules": ("pulpo.cli.schedules", "schedules", "List, show, run and pause periodic jobs."),
    "explain": ("pulpo.cli.explain", "explain", "Say why a job is not running."),
    "replay": ("pulpo.cli.replay", "replay_job", "Run one job here, without the queue."),
    "check": ("pulpo.cli.check", "check", "Check code before it is deployed."),
    "pause": ("pulpo.cli.queues", "pause", "Let no worker take jobs from a queue."),
    "resume": ("pulpo.cli.queues", "resume", "End a pause."),
    "dashboard": ("pulpo.cli.dashboard", "dashboard", "See and steer it all in a browser."),
    "move": ("pulpo.cli.move", "move", "Move a live queue to another engine."),
    "servers": ("pulpo.cli.servers", "servers", "List the servers of a queue that has several."),
    "join": ("pulpo.cli.servers", "join", "Let a server take part in the queue."),
    "drain": ("pulpo.cli.servers", "drain", "Empty a server and take it out of the queue."),
    "relay": ("pulpo.cli.relay", "relay_jobs", "Hand over what a spool has kept."),
    "outbox": ("pulpo.cli.outbox", "outbox", "Relay the jobs in an application's outbox."),
    "migrate": ("pulpo.cli.migrate", "migrate", "Make or renew the tables of a queue."),
    "doctor": ("pulpo.cli.doctor", "doctor", "Check that the queue keeps its promise."),
    "config": ("pulpo.cli.config", "config", "Show the settings, and where each comes from."),
    "completion": ("pulpo.cli.completion", "completion", "Complete commands in a shell."),
    "init": ("pulpo.cli.init", "init", "Make a small project to start from."),
}
# Started by pulpo itself.
_HIDDEN = {"sandbox": ("pulpo.cli.sandbox", "sandbox", "")}


class _LazyVerbs(Verbs):
    """The verbs, each imported when it is called."""

    meant = {  # noqa: RUF012  # never changed
        **{
            verb: f"jobs {verb}"
            for verb in ("list", "show", "kick", "delete", "move", "bury", "edit", "tail")
        },
        "ls": "jobs list",
        "why": "explain",
        "retry": "jobs kick",
        "put": "publish",
        "enqueue": "publish",
        "run": "worker",
        "work": "worker",
        "unpause": "resume",
        "ps": "workers",
        "cron": "schedules",
        "beat": "schedules",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _VERBS and cmd_name not in _HIDDEN:
            return None
        module, name, _ = {**_VERBS, **_HIDDEN}[cmd_name]
        return cast(click.Command, getattr(import_module(module), name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(verb, said) for verb, (_, _, said) in _VERBS.items()])


@click.group(
    cls=_LazyVerbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@target_options
@click.version_option(package_name="pulpo-messaging", prog_name="pulpo")
@click.pass_context
def _pulpo(context: click.Context) -> None:
    """Delayed background jobs that are not lost.

    \b
    pulpo worker shop.tasks
    pulpo publish mail.welcome '{"user_id": 7}' --delay 5m
    pulpo stats
    """
    help_without_verb(context)


def main() -> NoReturn:
    """Run the command line of this process and end it with the command's exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit code: 0 done, 1 failed, 2 usage, 3, 4, 5 as documented."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding gets \xfc for an ü, not a traceback.
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    target = Target()
    try:
        result = _pulpo.main(list(arguments), "pulpo", standalone_mode=False, obj=target)
        _flush()
    except click.Abort:
        return INTERRUPTED
    except (click.ClickException, CommandError, PulpoError) as error:
        _flush()
        if target.verbose and not isinstance(error, click.ClickException):
            traceback.print_exc()
        click.echo(sentence(error), err=True)
        return exit_code(error)
    return result if isinstance(result, int) else DONE


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        hush()
