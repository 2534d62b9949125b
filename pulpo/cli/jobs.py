"""`pulpo jobs`: what an operator does with single jobs."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pulpo.adapter import QueueAdmin
from pulpo.cli.door import administered, codec, hint_at_queue
from pulpo.cli.errors import NOT_FOUND, REFUSED, CommandError
from pulpo.cli.job_text import FIELDS_OF_A_ROW, paragraph, row
from pulpo.cli.output import data, for_people, json_line, talk
from pulpo.cli.parameters import ID, QUEUE
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.cli.verbs import Verbs, help_without_verb
from pulpo.job import JobState
from pulpo.view import show as decode

__all__ = ["jobs"]

_STATES = [state.value for state in JobState]


@click.group(cls=Verbs, invoke_without_command=True)
@target_options
@click.pass_context
def jobs(context: click.Context) -> None:
    """List, show, kick and delete jobs.

    \b
    pulpo jobs list --state buried
    pulpo jobs show 0198c0de-7a11-7b0b-8123-6c6f73746a6f
    """
    help_without_verb(context)


@jobs.command("list")
@click.option("-q", "--queue", type=QUEUE, metavar="NAME", help="Only of this queue.")
@click.option("--state", type=click.Choice(_STATES), help="Only in this state.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, metavar="N"
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@target_options
@pass_target
def list_jobs(
    target: Target, queue: str | None, state: str | None, limit: int, as_json: bool
) -> None:
    """List jobs in the order in which they would run.

    \b
    pulpo jobs list -q mail --state buried --json
    """
    with administered(target) as (admin, _):
        if queue is not None:
            hint_at_queue(admin, queue)
        wanted = None if state is None else JobState(state)
        # One more than wanted: that there are more is worth a word.
        found = admin.list(queue, wanted, limit=limit + 1)
    keys = codec()
    shown = [decode(job, keys) for job in found[:limit]]
    if as_json:
        for job in shown:
            data(json_line(job.as_json()))
    elif shown:
        data(for_people(FIELDS_OF_A_ROW, [row(job) for job in shown], right="    rr"))
    else:
        talk("no jobs")
    if len(found) > limit:
        talk(f"these are the first {limit}; --limit shows more")


@jobs.command("show")
@click.argument("id", type=ID)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@target_options
@pass_target
def show_job(target: Target, id: str, as_json: bool) -> None:
    """Show one job: its body, its headers, and its last error with the traceback.

    \b
    pulpo jobs show 0198c0de-7a11-7b0b-8123-6c6f73746a6f
    """
    with administered(target) as (admin, _):
        (found,) = admin.peek([id])
    if found is None:
        raise CommandError(f"no job {id!r}: done, deleted, or in another queue", code=NOT_FOUND)
    job = decode(found, codec())
    data(json_line(job.as_json()) if as_json else paragraph(job))


@jobs.command("kick")
@click.argument("ids", type=ID, nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All buried jobs of a queue.")
@click.option("-q", "--queue", type=QUEUE, metavar="NAME", help="The queue for --all.")
@target_options
@pass_target
def kick_jobs(target: Target, ids: tuple[str, ...], everything: bool, queue: str | None) -> None:
    """Make buried or delayed jobs ready now, for one more run.

    \b
    pulpo jobs kick 0198c0de-7a11-7b0b-8123-6c6f73746a6f
    pulpo jobs kick --all -q mail
    """
    if bool(ids) == everything or everything == (queue is None):
        raise click.UsageError("give ids, or --all with -q QUEUE")
    with administered(target) as (admin, _):
        if queue is not None:
            hint_at_queue(admin, queue)
            data(f"kicked {_jobs(admin.kick_all(queue))}")
            return
        wanted = list(dict.fromkeys(ids))
        _report("kicked", wanted, admin.kick(wanted), admin)


@jobs.command("delete")
@click.argument("ids", type=ID, nargs=-1, required=True, metavar="ID...")
@target_options
@pass_target
def delete_jobs(target: Target, ids: tuple[str, ...]) -> None:
    """Delete jobs that are not being run.

    \b
    pulpo jobs delete 0198c0de-7a11-7b0b-8123-6c6f73746a6f
    """
    with administered(target) as (admin, _):
        wanted = list(dict.fromkeys(ids))
        _report("deleted", wanted, admin.delete(wanted), admin)


def _report(done: str, ids: Sequence[str], answers: Sequence[bool], admin: QueueAdmin) -> None:
    """Say what was done, then fail for what was not: an id that nobody has, a job in its way."""
    left = [each for each, answer in zip(ids, answers, strict=True) if not answer]
    data(f"{done} {_jobs(len(ids) - len(left))}")
    if not left:
        return
    found = list(zip(left, admin.peek(left), strict=True))
    for each, job in found:
        if job is not None:
            talk(f"not {done}: {each} is {job.state.value}")
    missing = [repr(each) for each, job in found if job is None]
    if missing:
        raise CommandError(f"no job {', '.join(missing)}", code=NOT_FOUND)
    raise CommandError(f"{_jobs(len(left))} could not be {done}", code=REFUSED)


def _jobs(count: int) -> str:
    return f"{count} job" if count == 1 else f"{count} jobs"
