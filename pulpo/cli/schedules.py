"""`pulpo schedules`: what is published again and again, when next, and how it ended last."""

from __future__ import annotations

import time
from contextlib import closing

import click

from pulpo.adapters import open_engine
from pulpo.cli.door import beside, codec, shared_url
from pulpo.cli.errors import NOT_FOUND, REFUSED, CommandError
from pulpo.cli.output import data, escape, for_people, json_line, talk
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.cli.verbs import Verbs, help_without_verb
from pulpo.duration import as_text
from pulpo.schedule_desk import ShownSchedule, age, forget, pause, resume, run_now, see, see_all
from pulpo.side import SideStore
from pulpo.spelling import closest
from pulpo.telling.schedules import read_schedules

__all__ = ["schedules"]


@click.group(cls=Verbs, invoke_without_command=True)
@target_options
@click.pass_context
def schedules(context: click.Context) -> None:
    """List and show periodic jobs; run one by hand, pause and resume it.

    They are declared in code or in the settings, and known here once a worker has started with
    them.

    \b
    pulpo schedules list
    pulpo schedules show reports.daily
    """
    help_without_verb(context)


@schedules.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@target_options
@pass_target
def list_schedules(target: Target, as_json: bool) -> None:
    """List all schedules, each with its next tick and how its last job ended.

    \b
    pulpo schedules list --json
    """
    now = time.time()
    with beside(target) as store:
        found = see_all(store, now)
    if as_json:
        data(json_line({"schedules": [shown.as_json() for shown in found]}))
    elif found:
        heads = ("name", "when", "type", "queue", "state", "next", "last", "")
        data(for_people(heads, [_row(shown, now) for shown in found]))
    else:
        talk("no schedules: a worker whose code has some makes them known")


def _row(shown: ShownSchedule, now: float) -> list[str]:
    told, outcome = shown.fact.definition, shown.outcome
    coming = shown.moment(shown.coming[0]) if shown.coming else "?" if shown.problem else "-"
    return [
        shown.name,
        shown.rule,
        told.type,
        told.queue,
        shown.state,
        coming,
        "-" if outcome is None else outcome.outcome,
        "" if outcome is None else age(outcome.ended, now),
    ]


@schedules.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@target_options
@pass_target
def show_schedule(target: Target, name: str, as_json: bool) -> None:
    """Show one schedule: its next ten ticks, what became of the last one, and all it says.

    \b
    pulpo schedules show reports.daily
    """
    now = time.time()
    with beside(target) as store:
        shown = see(store, name, now)
        if shown is None:
            raise _unknown(store, name)
    data(json_line(shown.as_json()) if as_json else _paragraph(shown, now))


def _paragraph(shown: ShownSchedule, now: float) -> str:
    fact, told = shown.fact, shown.fact.definition
    timing, counts = told.timing, (fact.published, fact.missed, fact.skipped)
    lines = [
        ("schedule", shown.name),
        ("when", shown.rule),
        ("", shown.in_words()),
        ("publishes", f"{told.type} to queue {told.queue}"),
        ("missed", f"{timing.missed.value}, up to {as_text(timing.within)} late"),
        ("overlap", timing.overlap.value),
        ("state", _state(shown)),
        ("counts", "{:,} published, {:,} missed, {:,} skipped".format(*counts)),
        ("last tick", _last(shown)),
        ("last run", _outcome(shown, now)),
        ("waiting", shown.moment(fact.waiting)),
        ("next", shown.problem or "\n".join(map(shown.moment, shown.coming))),
    ]
    indented = [(head, text.replace("\n", "\n" + " " * 11)) for head, text in lines if text]
    return "\n".join(f"{head:<10} {escape(text, keep=chr(10))}" for head, text in indented)


def _state(shown: ShownSchedule) -> str:
    if shown.fact.paused:
        return f"paused until `pulpo schedules resume {shown.name}`"
    if not shown.keepers:
        return "no worker that runs knows it by this definition: nothing is published"
    return f"kept by {shown.keepers} worker process{'es' if shown.keepers > 1 else ''}"


def _last(shown: ShownSchedule) -> str:
    fact = shown.fact
    return f"{shown.moment(fact.tick)}, job {fact.job}" if fact.job else "none yet"


def _outcome(shown: ShownSchedule, now: float) -> str:
    last = shown.outcome
    if last is None:
        return "none yet"
    why = f": {last.reason}" if last.reason else ""
    took = as_text(last.seconds)
    return f"{last.outcome} after {took}, {age(last.ended, now)}, job {last.id}{why}"


@schedules.command("run")
@click.argument("name")
@target_options
@pass_target
def run_schedule(target: Target, name: str) -> None:
    """Publish a job of a schedule now, beside its ticks; prints the id.

    Also while it is paused. Refused where it must not overlap and the last one is not done.

    \b
    pulpo schedules run reports.daily
    """
    with beside(target) as store:
        fact = read_schedules(store, [name]).get(name)
        if fact is None:
            raise _unknown(store, name)
    with closing(open_engine(shared_url(target)).adapter()) as adapter:
        ref = run_now(adapter, fact, codec(), time.time())
    if ref.existing:
        raise CommandError(
            f"schedule {name!r} is to have no overlap, and its job {ref.id} is not done",
            code=REFUSED,
        )
    data(ref.id)
    talk(f"published to queue {ref.queue!r}")


@schedules.command("pause")
@click.argument("name")
@target_options
@pass_target
def pause_schedule(target: Target, name: str) -> None:
    """Publish no more ticks of a schedule; those of the meantime are not made up for.

    \b
    pulpo schedules pause reports.daily
    """
    with beside(target) as store:
        done = pause(store, name)
        if done is None:
            raise _unknown(store, name)
    talk(
        f"paused {name!r} until `pulpo schedules resume {name}`" if done else "it is paused already"
    )


@schedules.command("resume")
@click.argument("name")
@target_options
@pass_target
def resume_schedule(target: Target, name: str) -> None:
    """Let a schedule go on, from its next tick.

    \b
    pulpo schedules resume reports.daily
    """
    with beside(target) as store:
        done = resume(store, name, time.time())
        if done is None:
            raise _unknown(store, name)
    talk(f"resumed {name!r}" if done else "it is not paused")


@schedules.command("forget")
@click.argument("name")
@target_options
@pass_target
def forget_one(target: Target, name: str) -> None:
    """Forget a schedule that no code has any more; it would be after a year by itself.

    \b
    pulpo schedules forget reports.weekly
    """
    with beside(target) as store:
        shown = see(store, name, time.time(), coming=0)
        if shown is None:
            raise _unknown(store, name)
        if shown.keepers:
            raise CommandError(
                f"{shown.keepers} worker processes keep schedule {name!r}: it would begin anew; "
                "take it out of their code, or pause it",
                code=REFUSED,
            )
        forget(store, name)
    talk(f"forgot {name!r}")


def _unknown(store: SideStore, name: str) -> CommandError:
    close = closest(name, sorted(read_schedules(store)))
    hint = (
        f"did you mean {close!r}?" if close else "`pulpo schedules list` has those that are known"
    )
    return CommandError(f"no schedule {name!r}; {hint}", code=NOT_FOUND)
