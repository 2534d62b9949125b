"""The dialogue around one act on many jobs: count, ask, act, say what became of them.

Without a terminal nobody can be asked: then `--yes` says it, or nothing is done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import click

from pulpo.adapter import QueueAdmin
from pulpo.bulk import Order, Survey, Tally, carry_out, survey
from pulpo.cli.errors import FAILED, NOT_FOUND, REFUSED, CommandError
from pulpo.cli.output import data, talk
from pulpo.errors import QueueError
from pulpo.job import Page
from pulpo.job_filter import JobFilter
from pulpo.rivals import rival_of

__all__ = [
    "Consent",
    "bulk_options",
    "check_chosen",
    "count_of",
    "report",
    "run_order",
    "say_unseen",
]

Command = TypeVar("Command", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Consent:
    """What the command line says of asking: only count, or do not ask."""

    dry_run: bool
    yes: bool


def bulk_options(command: Command) -> Command:
    """Give a command `--dry-run` and `--yes`."""
    dry = click.option("--dry-run", is_flag=True, help="Only count the jobs that a filter means.")
    yes = click.option("--yes", is_flag=True, help="Do not ask whether to go on.")
    return dry(yes(command))


def check_chosen(ids: Sequence[str], wanted: JobFilter, *, dry_run: bool) -> None:
    """Raise `UsageError` unless jobs are named either by their ids or by a filter."""
    if ids and dry_run:
        raise click.UsageError("--dry-run counts the jobs of a filter, and these are ids")
    if bool(ids) is not wanted.is_empty:
        raise click.UsageError("give ids as 'ID...', or a filter such as -q or --state")


def run_order(admin: QueueAdmin, order: Order, consent: Consent, verb: str, done: str) -> None:
    """Count the jobs of an order, ask, carry it out, and say what was done."""
    if not (consent.dry_run or consent.yes or sys.stdin.isatty()):
        raise CommandError(
            f"nothing was done: --yes is needed to {verb} jobs where nobody can be asked; "
            "--dry-run counts them",
            code=REFUSED,
        )
    with _counting() as tell:
        found = survey(admin, order, tell)
    say_unseen(found.unseen)
    count = len(found.jobs)
    if consent.dry_run:
        data(f"would {verb} {count_of(count)}" + _left(found.running))
        return
    if count and not consent.yes and not click.confirm(f"{verb} {count_of(count)}?", err=True):
        raise CommandError("nothing was done", code=FAILED)
    tally = _carried_out(admin, order, found, verb, done)
    data(f"{done} {count_of(tally.done)}" + _left(tally.left + tally.refused + found.running))
    for why in sorted(tally.why)[:5]:
        talk(f"not {done}: {why}")
    if tally.refused:
        raise CommandError(f"{count_of(tally.refused)} could not be {done}", code=REFUSED)


def count_of(count: int) -> str:
    """Return a number of jobs in words."""
    return f"{count} job" if count == 1 else f"{count} jobs"


def report(done: str, ids: Sequence[str], answers: Sequence[bool], admin: QueueAdmin) -> None:
    """Say what was done, then fail for what was not: an id that nobody has, a job in its way."""
    left = [each for each, answer in zip(ids, answers, strict=True) if not answer]
    data(f"{done} {count_of(len(ids) - len(left))}")
    if not left:
        return
    found = list(zip(left, admin.peek(left), strict=True))
    for each, job in found:
        if job is not None:
            rival = rival_of(job, admin)
            key = "" if rival is None else f", and job {rival} holds its key"
            talk(f"not {done}: {each} is {job.state.value}{key}")
    missing = [repr(each) for each, job in found if job is None]
    if missing:
        raise CommandError(f"no job {', '.join(missing)}", code=NOT_FOUND)
    raise CommandError(f"{count_of(len(left))} could not be {done}", code=REFUSED)


def _carried_out(admin: QueueAdmin, order: Order, found: Survey, verb: str, done: str) -> Tally:
    tally = Tally()
    try:
        with _acting(len(found.jobs), verb) as tell:
            for tally in carry_out(admin, order, found.jobs):
                tell(tally.done + tally.left + tally.refused)
    except (QueueError, KeyboardInterrupt):
        talk(f"{done} {count_of(tally.done)} before that")
        raise
    return tally


@contextmanager
def _acting(count: int, verb: str) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=count, label=verb, file=sys.stderr) as bar:
        yield lambda so_far: bar.update(so_far - bar.pos)


@contextmanager
def _counting() -> Iterator[Callable[[Page, int], None]]:
    """Show on a terminal how far the walk is."""
    if not sys.stderr.isatty():
        yield lambda _, __: None
        return

    def tell(page: Page, found: int) -> None:
        click.echo(f"\rlooked at {page.seen} jobs, found {found}", err=True, nl=False)

    try:
        yield tell
    finally:
        click.echo("\r\x1b[K", err=True, nl=False)


def say_unseen(count: int) -> None:
    """Say how many jobs a walk could not look at."""
    if count:
        talk(f"not seen: {count_of(count)} that came or went meanwhile; look again")


def _left(count: int) -> str:
    return f", left {count}" if count else ""
