"""`pulpo outbox`: relay what an application has put into its outbox, and see what waits there.

The modules that are named declare the outboxes, as they do for a worker.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import click

from pulpo import default_app
from pulpo.cli.door import shared_url
from pulpo.cli.errors import DONE, FAILED, OUT_OF_REACH, CommandError, sentence
from pulpo.cli.output import data, for_people, json_line, talk
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.cli.verbs import Verbs, help_without_verb
from pulpo.contrib.outbox import Relay, Relayed, Rows
from pulpo.duration import as_text
from pulpo.loading import check_module_name, import_modules, make_folder_importable

__all__ = ["outbox"]

T = TypeVar("T")
# Between two looks of --watch, and between two of whoever waits for another relay, in seconds.
_LOOK = 0.5


@click.group("outbox", cls=Verbs, invoke_without_command=True)
@target_options
@click.pass_context
def outbox(context: click.Context) -> None:
    """Relay the jobs in an application's outbox, and see what waits there.

    \b
    pulpo outbox relay shop.tasks
    pulpo outbox show shop.tasks
    """
    help_without_verb(context)


@outbox.command("relay")
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...")
@click.option("--watch", is_flag=True, help="Go on until interrupted.")
@target_options
@pass_target
def relay_rows(target: Target, modules: tuple[str, ...], watch: bool) -> int:
    """Publish what is in the outboxes of these modules, in order.

    A worker that loads them does so by itself. Exits with 4 where the queue is out of reach, with 1
    where a row was refused for good, or a database fails.

    \b
    pulpo outbox relay shop.tasks --watch
    """
    with _opened(target, modules) as found:
        while True:
            code = max([_relay(relay, rows) for relay, rows in found])
            if not watch:
                return code
            time.sleep(_LOOK)


def _relay(relay: Relay, rows: Rows) -> int:
    count = refused = 0
    relayed = Relayed(left=True)
    while relayed.left and relayed.error is None:
        relayed = _asked(relay, lambda: relay.work(rows, seconds=1.0))
        count, refused = count + relayed.count, refused + relayed.refused
    if count or refused:
        jobs = f"{count} job" if count == 1 else f"{count} jobs"
        data(f"relayed {jobs}" + (f", {refused} refused" if refused else ""))
        sys.stdout.flush()
    if relayed.error is not None:
        talk(sentence(relayed.error))
        return OUT_OF_REACH
    return FAILED if refused else DONE


@outbox.command("show")
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each outbox.")
@target_options
@pass_target
def show(target: Target, modules: tuple[str, ...], as_json: bool) -> None:
    """Count the rows that wait in the outboxes of these modules, and those that were refused."""
    shown = []
    with _opened(target, modules) as found:
        for relay, rows in found:
            seen = _asked(relay, rows.waiting)
            if as_json:
                facts = {"jobs": seen.jobs, "oldest": seen.oldest, "refused": seen.refused}
                data(json_line({"outbox": relay.name, **facts}))
            oldest = "" if seen.oldest is None else as_text(round(seen.oldest))
            shown.append((relay.name, str(seen.jobs), oldest, str(seen.refused)))
    if not as_json:
        data(for_people(("OUTBOX", "JOBS", "OLDEST", "REFUSED"), shown, right=" r r"))


@outbox.command("again")
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...")
@target_options
@pass_target
def again(target: Target, modules: tuple[str, ...]) -> None:
    """Let the relay try refused rows again, once what was wrong is mended."""
    with _opened(target, modules) as found:
        count = sum(_asked(relay, rows.again) for relay, rows in found)
    data(f"{count} row to be tried again" if count == 1 else f"{count} rows to be tried again")


@contextmanager
def _opened(target: Target, modules: Sequence[str]) -> Iterator[list[tuple[Relay, Rows]]]:
    for name in modules:
        check_module_name(name)
    app = default_app()
    make_folder_importable()
    if target.url is not None:
        app.configure(url=shared_url(target))
    import_modules(modules)
    relays = [attendant for attendant in app.attendants if isinstance(attendant, Relay)]
    if not relays:
        named = ", ".join(map(repr, modules))
        raise CommandError(f"no outbox in {named}", code=FAILED)
    opened = [(relay, relay.open_rows()) for relay in relays]
    try:
        yield opened
    finally:
        for _, rows in opened:
            rows.close()
        app.close()


def _asked(relay: Relay, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except Exception as error:  # a database's own errors, of any library
        told = f"outbox {relay.name}: {type(error).__name__}: {error}"
        raise CommandError(told.splitlines()[0], code=FAILED) from error
