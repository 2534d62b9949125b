"""`pulpo check`: the gate before a deploy: is the code right, and can it run what waits?"""

from __future__ import annotations

from contextlib import closing

import click

from pulpo import use_as_default
from pulpo.cli.door import memory_refusal, shared_url
from pulpo.cli.errors import DONE, FAILED, REFUSED, CommandError
from pulpo.cli.load import check_modules
from pulpo.cli.output import data, escape, for_people, json_line, talk
from pulpo.cli.parameters import QUEUE
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.clock import SystemClock
from pulpo.fitting import Failing, Survey, survey
from pulpo.inspecting import Fault, InspectedApp
from pulpo.worker.rules import refused_types

__all__ = ["check"]

# So much is looked at where not all of it is asked for: it takes some seconds.
_MOST = 50_000
_PATIENCE = 10.0


@click.command()
@click.argument("modules", nargs=-1, metavar="MODULE...")
@click.option("--live", is_flag=True, help="Look at the jobs that wait, too.")
@click.option(
    "-q",
    "--queue",
    "queues",
    type=QUEUE,
    multiple=True,
    metavar="NAME",
    help="With --live: only of this queue; may be given several times.",
)
@click.option("--all", "everything", is_flag=True, help="With --live: every job, however many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@target_options
@pass_target
def check(
    target: Target,
    *,
    modules: tuple[str, ...],
    live: bool,
    queues: tuple[str, ...],
    everything: bool,
    as_json: bool,
) -> int:
    """Check the code of a worker before it is deployed: 0 if all is well, 1 if not.

    Without --live the queue is not asked. With it, the payload of each waiting job is bound to the
    signature of its handler; nothing is run, and nothing changes.

    \b
    pulpo check shop.tasks
    pulpo check shop.tasks --live -q mail
    """
    check_modules(modules)
    if not live and (queues or everything):
        raise click.UsageError("-q and --all go with --live")
    app = _inspected(target, modules)
    if not as_json:
        _show_code(app)
    found = _surveyed(target, app, queues, everything=everything) if live else None
    if as_json:
        data(json_line(_as_json(app, found)))
    elif found is not None:
        _show_live(found)
    failed = app.faults or (found is not None and found.failing)
    return FAILED if failed else DONE


def _inspected(target: Target, modules: tuple[str, ...]) -> InspectedApp:
    app = InspectedApp()
    use_as_default(app)
    if target.url is not None:
        app.configure(url=target.url)
    app.inspect(modules)
    if target.url is not None:
        # As in a worker: a module may have called configure() meanwhile.
        app.configure(url=target.url)
    for refused in refused_types(app.engine, app.registry):
        module = refused.job_type.source.rpartition(".")[0]
        type, option, why = refused.job_type.type, refused.option, refused.why
        app.faults.append(Fault(module=module, type=type, option=option, error=why))
    if not len(app.registry) and not app.faults:
        named = ", ".join(modules) or "the settings file"
        error = "nothing is declared with @pulpo.job or register"
        app.faults.append(Fault(module=named, type=None, option=None, error=error))
    return app


def _surveyed(
    target: Target, app: InspectedApp, queues: tuple[str, ...], *, everything: bool
) -> Survey:
    shared_url(target)
    refusal = memory_refusal(app.shown_url)
    if refusal is not None:
        raise CommandError(refusal, code=REFUSED)
    with closing(app.engine.admin()) as admin:
        return survey(
            admin,
            app.codec,
            app.registry,
            SystemClock(),
            queues=queues,
            most=None if everything else _MOST,
            patience=None if everything else _PATIENCE,
        )


def _as_json(app: InspectedApp, found: Survey | None) -> dict[str, object]:
    return {
        "ok": not app.faults and (found is None or not found.failing),
        "types": sorted(job_type.type for job_type in app.registry),
        "errors": [
            {
                "module": fault.module,
                "type": fault.type,
                "option": fault.option,
                "error": fault.error,
            }
            for fault in app.faults
        ],
        "live": None
        if found is None
        else {
            "looked_at": found.looked_at,
            "of": found.of,
            "complete": found.complete,
            "failing": [_failing_as_json(each) for each in found.failing],
            "unserved": dict(found.unserved),
        },
    }


def _failing_as_json(each: Failing) -> dict[str, object]:
    example = each.example
    return {
        "type": example.type,
        "code": example.kind.value,
        "count": each.count,
        "example": example.id,
        "queue": example.queue,
        "reason": example.reason,
    }


def _show_code(app: InspectedApp) -> None:
    for fault in app.faults:
        place = [fault.module, fault.type, fault.option]
        where = " ".join(escape(part) for part in place if part)
        data(f"fault    {where}: {escape(fault.error)}")
        if fault.shown:
            data("    " + escape(fault.shown, keep="\n").replace("\n", "\n    "))
    types = _count(len(app.registry), "job type")
    data(f"{types}, {_count(len(app.faults), 'fault')}" if app.faults else f"{types}: ok")


def _show_live(found: Survey) -> None:
    rows = [
        [
            each.example.type or "?",
            each.example.kind.value,
            f"{each.count:,}",
            each.example.id,
            each.example.reason,
        ]
        for each in found.failing
    ]
    if rows:
        data(for_people(("type", "code", "jobs", "example", "reason"), rows, right="  r"))
    failing = sum(each.count for each in found.failing)
    data(
        f"looked at {found.looked_at:,} of {_count(found.of, 'waiting job')}: "
        + (f"{failing:,} could not be run" if failing else "ok")
    )
    for queue, count in found.unserved.items():
        talk(
            f"{_count(count, 'job')} that would run {'waits' if count == 1 else 'wait'} in queue "
            f"{queue!r}: no type of this code names it, so serve it with -q"
        )
    if not found.complete:
        talk("this is a sample from all over the queue; --all looks at every job")


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
