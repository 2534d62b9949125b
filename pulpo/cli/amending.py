"""`pulpo jobs move`, `bury` and `edit`: acts that write a job anew."""

from __future__ import annotations

from collections.abc import Callable

import click

from pulpo.adapter import Engine, QueueAdmin
from pulpo.amend import buried, edited, moved
from pulpo.body_path import BodyPath
from pulpo.bulk import Order
from pulpo.cli.bulk import Consent, bulk_options, check_chosen, report, run_order
from pulpo.cli.door import administered, codec, hint_at_queue
from pulpo.cli.errors import NOT_FOUND, REFUSED, CommandError
from pulpo.cli.filters import filter_options, take_filter
from pulpo.cli.output import data
from pulpo.cli.parameters import DURATION, ID, PRIORITY, QUEUE, checked
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.clock import SystemClock
from pulpo.errors import CodecError, UsageError
from pulpo.job import Act, Change, JobState, ListedJob, NewJob
from pulpo.job_filter import json_or_text

__all__ = ["bury_jobs", "edit_job", "move_jobs"]


@click.command("move")
@click.argument("ids", type=ID, nargs=-1, metavar="[ID]...")
@click.option("--to", type=QUEUE, required=True, metavar="QUEUE", help="Where they go.")
@filter_options
@bulk_options
@target_options
@pass_target
def move_jobs(
    target: Target, /, ids: tuple[str, ...], to: str, dry_run: bool, yes: bool, **options: object
) -> None:
    """Move jobs that are not being run to another queue; they keep their state and their story.

    \b
    pulpo jobs move 0198c0de-7a11-7b0b-8123-6c6f73746a6f --to slow
    pulpo jobs move -q mail --type mail.digest --to slow
    """
    wanted = take_filter(options)
    check_chosen(ids, wanted, dry_run=dry_run)
    keys, now = codec(), SystemClock().wall()
    with administered(target) as (admin, _):
        order = Order(
            act=Act.REPLACE,
            wanted=wanted,
            codec=keys,
            now=now,
            rewrite=lambda job: moved(job, to, keys, now=SystemClock().wall()),
            to=to,
        )
        _carry_out(admin, order, ids, Consent(dry_run, yes), "move", "moved")


@click.command("bury")
@click.argument("ids", type=ID, nargs=-1, metavar="[ID]...")
@click.option(
    "--reason",
    default="buried by an operator",
    show_default=True,
    metavar="TEXT",
    help="What the job says of it.",
)
@filter_options
@bulk_options
@target_options
@pass_target
def bury_jobs(
    target: Target,
    /,
    ids: tuple[str, ...],
    reason: str,
    dry_run: bool,
    yes: bool,
    **options: object,
) -> None:
    """Put ready and delayed jobs aside, until somebody kicks them.

    \b
    pulpo jobs bury 0198c0de-7a11-7b0b-8123-6c6f73746a6f --reason "see ticket 17"
    pulpo jobs bury -q mail --where body.user_id=7
    """
    wanted = take_filter(options)
    check_chosen(ids, wanted, dry_run=dry_run)
    if wanted.state is JobState.BURIED:
        raise click.UsageError("these are buried: --state must be ready or delayed")
    keys = codec()
    with administered(target) as (admin, engine):
        max_body = 0 if dry_run else _max_body(engine)
        order = Order(
            act=Act.BURY,
            wanted=wanted,
            codec=keys,
            now=SystemClock().wall(),
            rewrite=lambda job: buried(job, reason, keys, max_body=max_body),
        )
        _carry_out(admin, order, ids, Consent(dry_run, yes), "bury", "buried")


def _max_body(engine: Engine) -> int:
    adapter = engine.adapter()
    try:
        return adapter.capabilities.max_body
    finally:
        adapter.close()


def _carry_out(
    admin: QueueAdmin,
    order: Order,
    ids: tuple[str, ...],
    consent: Consent,
    verb: str,
    done: str,
) -> None:
    if not ids:
        if order.wanted.queue is not None:
            hint_at_queue(admin, order.wanted.queue)
        run_order(admin, order, consent, verb, done)
        return
    assert order.rewrite is not None
    named = list(dict.fromkeys(ids))
    changes = {
        job.id: _change(order.act, job, order.rewrite)
        for job in admin.peek(named)
        if job is not None and order.can_change(job)
    }
    answers = dict(zip(changes, admin.change(list(changes.values())), strict=True))
    for answer in answers.values():
        if not isinstance(answer, bool):
            raise answer
    report(done, named, [answers.get(each) is True for each in named], admin)


def _change(act: Act, job: ListedJob, rewrite: Callable[[ListedJob], NewJob]) -> Change:
    try:
        return Change(act, job.sighting, rewrite(job))
    except CodecError as error:
        raise CommandError(str(error), code=REFUSED) from error


def _setting(text: str) -> tuple[BodyPath, object]:
    place, equals, value = text.partition("=")
    if not place or not equals:
        raise UsageError(f"it must be like 'user_id=8': {text!r}")
    return BodyPath.parse(place), json_or_text(value)


@click.command("edit")
@click.argument("id", type=ID)
@click.option(
    "--set",
    "values",
    type=checked(_setting),
    multiple=True,
    metavar="PLACE=VALUE",
    help="A value in the body, like user_id=8; JSON, or else text. May be given several times.",
)
@click.option("--priority", type=PRIORITY, metavar="N", help="0 is the most urgent.")
@click.option("--delay", type=DURATION, metavar="DURATION", help="Not before so long.")
@target_options
@pass_target
def edit_job(
    target: Target,
    id: str,
    values: tuple[tuple[BodyPath, object], ...],
    priority: int | None,
    delay: float | None,
) -> None:
    """Change a job that is not being run: values in its body, its priority, its delay.

    \b
    pulpo jobs edit 0198c0de-7a11-7b0b-8123-6c6f73746a6f --set user_id=8 --priority 10
    """
    if not values and priority is None and delay is None:
        raise click.UsageError("give --set, --priority or --delay")
    with administered(target) as (admin, _):
        (job,) = admin.peek([id])
        if job is None:
            raise CommandError(f"no job {id!r}: done, deleted, or in another queue", code=NOT_FOUND)
        if job.state is JobState.RESERVED:
            raise CommandError(f"{id!r} is being run", code=REFUSED)
        if job.state is JobState.BURIED and delay is not None:
            raise CommandError(f"{id!r} is buried: kick it, then delay it", code=REFUSED)
        try:
            rewritten = edited(
                job,
                codec(),
                now=SystemClock().wall(),
                values=values,
                priority=priority,
                delay=delay,
            )
        except CodecError as error:
            raise CommandError(str(error), code=REFUSED) from error
        (answer,) = admin.change([Change(Act.REPLACE, job.sighting, rewritten)])
    if answer is False:
        raise CommandError(f"{id!r} was taken by a worker just now, or deleted", code=REFUSED)
    if answer is not True:
        raise answer
    data(f"edited {job.id}")
