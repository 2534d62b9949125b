"""`pulpo jobs`: what an operator does with jobs, one by one or many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from pulpo.adapter import QueueAdmin
from pulpo.bulk import Order, matching
from pulpo.cli.amending import bury_jobs, edit_job, move_jobs
from pulpo.cli.bulk import (
    Consent,
    bulk_options,
    check_chosen,
    count_of,
    report,
    run_order,
    say_unseen,
)
from pulpo.cli.door import administered, codec, hint_at_queue
from pulpo.cli.errors import NOT_FOUND, CommandError
from pulpo.cli.filters import filter_options, take_filter
from pulpo.cli.hiding import hiding, redact_options
from pulpo.cli.job_text import FIELDS_OF_A_ROW, paragraph, row
from pulpo.cli.output import data, for_people, json_line, talk
from pulpo.cli.parameters import ID
from pulpo.cli.tail import tail_jobs
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.cli.verbs import Verbs, help_without_verb
from pulpo.clock import SystemClock
from pulpo.codec import Codec
from pulpo.job import Act, JobState, ListedJob
from pulpo.job_filter import JobFilter
from pulpo.view import show as decode

__all__ = ["jobs"]


@click.group(cls=Verbs, invoke_without_command=True)
@target_options
@click.pass_context
def jobs(context: click.Context) -> None:
    """List and show jobs, and kick, delete, move, bury or edit them.

    \b
    pulpo jobs list --state buried
    pulpo jobs show 0198c0de-7a11-7b0b-8123-6c6f73746a6f
    """
    help_without_verb(context)


@jobs.command("list")
@filter_options
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, metavar="N"
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@redact_options
@target_options
@pass_target
def list_jobs(
    target: Target,
    /,
    limit: int,
    as_json: bool,
    redact: tuple[str, ...],
    reveal: bool,
    **options: object,
) -> None:
    """List jobs in the order in which they would run.

    \b
    pulpo jobs list -q mail --state buried --json
    pulpo jobs list --type mail.welcome --error timeout --newer 1h --where body.user_id=7
    """
    wanted, keys, hidden = take_filter(options), codec(), hiding(redact, reveal=reveal)
    with administered(target) as (admin, _):
        if wanted.queue is not None:
            hint_at_queue(admin, wanted.queue)
        # One more than wanted: that there are more is worth a word.
        found = _found(admin, wanted, limit + 1, keys)
    shown = [hidden.job(decode(job, keys)) for job in found[:limit]]
    if as_json:
        for job in shown:
            data(json_line(job.as_json()))
    elif shown:
        data(for_people(FIELDS_OF_A_ROW, [row(job) for job in shown], right="    rr"))
    else:
        talk("no jobs")
    if len(found) > limit:
        talk(f"these are the first {limit}; --limit shows more")


def _found(admin: QueueAdmin, wanted: JobFilter, limit: int, keys: Codec) -> Sequence[ListedJob]:
    if not wanted.looks_inside:
        return admin.list(wanted.queue, wanted.state, limit=limit)
    found: list[ListedJob] = []
    unseen = 0
    for page, jobs in matching(admin, wanted, keys, now=SystemClock().wall()):
        found += jobs
        if len(found) >= limit:
            return found[:limit]
        unseen = page.unseen
    say_unseen(unseen)
    return found


@jobs.command("show")
@click.argument("id", type=ID)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@redact_options
@target_options
@pass_target
def show_job(target: Target, id: str, as_json: bool, redact: tuple[str, ...], reveal: bool) -> None:
    """Show one job: its body, its headers, and its last error with the traceback.

    \b
    pulpo jobs show 0198c0de-7a11-7b0b-8123-6c6f73746a6f
    """
    hidden = hiding(redact, reveal=reveal)
    with administered(target) as (admin, _):
        (found,) = admin.peek([id])
    if found is None:
        raise CommandError(f"no job {id!r}: done, deleted, or in another queue", code=NOT_FOUND)
    job = hidden.job(decode(found, codec()))
    data(json_line(job.as_json()) if as_json else paragraph(job))


@jobs.command("kick")
@click.argument("ids", type=ID, nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All buried jobs of a queue.")
@filter_options
@bulk_options
@target_options
@pass_target
def kick_jobs(
    target: Target,
    /,
    ids: tuple[str, ...],
    everything: bool,
    dry_run: bool,
    yes: bool,
    **options: object,
) -> None:
    """Make buried or delayed jobs ready now, for one more run; with a filter the buried ones.

    \b
    pulpo jobs kick 0198c0de-7a11-7b0b-8123-6c6f73746a6f
    pulpo jobs kick --all -q mail
    pulpo jobs kick --type mail.welcome --error timeout --dry-run
    """
    wanted = take_filter(options)
    _check_kick(ids, wanted, everything=everything, dry_run=dry_run)
    with administered(target) as (admin, _):
        if wanted.queue is not None:
            hint_at_queue(admin, wanted.queue)
        if everything and not dry_run:
            assert wanted.queue is not None
            data(f"kicked {count_of(admin.kick_all(wanted.queue))}")
        elif ids:
            named = list(dict.fromkeys(ids))
            report("kicked", named, admin.kick(named), admin)
        else:
            order = Order(
                act=Act.KICK,
                wanted=replace(wanted, state=wanted.state or JobState.BURIED),
                codec=codec(),
                now=SystemClock().wall(),
            )
            run_order(admin, order, Consent(dry_run, yes), "kick", "kicked")


def _check_kick(ids: Sequence[str], wanted: JobFilter, *, everything: bool, dry_run: bool) -> None:
    all_of_a_queue = wanted.queue is not None and wanted == JobFilter(queue=wanted.queue)
    if (everything and not all_of_a_queue) or bool(ids) == (everything or not wanted.is_empty):
        raise click.UsageError("give ids, or --all with -q QUEUE, or a filter such as --type")
    if not everything:
        check_chosen(ids, wanted, dry_run=dry_run)
    if wanted.state not in (None, JobState.BURIED, JobState.DELAYED):
        raise click.UsageError("a filter kicks buried jobs, or delayed ones with --state delayed")


@jobs.command("delete")
@click.argument("ids", type=ID, nargs=-1, metavar="[ID]...")
@filter_options
@bulk_options
@target_options
@pass_target
def delete_jobs(
    target: Target, /, ids: tuple[str, ...], dry_run: bool, yes: bool, **options: object
) -> None:
    """Delete jobs that are not being run.

    \b
    pulpo jobs delete 0198c0de-7a11-7b0b-8123-6c6f73746a6f
    pulpo jobs delete -q mail --state buried --older 30d
    """
    wanted = take_filter(options)
    check_chosen(ids, wanted, dry_run=dry_run)
    with administered(target) as (admin, _):
        if ids:
            named = list(dict.fromkeys(ids))
            report("deleted", named, admin.delete(named), admin)
            return
        order = Order(act=Act.DELETE, wanted=wanted, codec=codec(), now=SystemClock().wall())
        run_order(admin, order, Consent(dry_run, yes), "delete", "deleted")


jobs.add_command(move_jobs)
jobs.add_command(bury_jobs)
jobs.add_command(edit_job)
jobs.add_command(tail_jobs)
