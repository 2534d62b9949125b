"""`pulpo replay`: runs one job, typically a buried one, in the foreground, on the code here."""

from __future__ import annotations

from contextlib import closing

import click

from pulpo.adapter import Engine
from pulpo.cli.door import shared_url
from pulpo.cli.errors import DONE, FAILED, NOT_FOUND, REFUSED, CommandError
from pulpo.cli.hiding import hiding, redact_options
from pulpo.cli.load import check_modules, load_parts
from pulpo.cli.output import data, escape, talk
from pulpo.cli.parameters import ID
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.clock import SystemClock
from pulpo.duration import as_text
from pulpo.job import JobState, ListedJob, Verb
from pulpo.replaying import Replay, replay
from pulpo.worker.decide import Ending
from pulpo.worker.journal import log_format

__all__ = ["replay_job"]

# What a worker would make of it, where the job is not done with it.
_FAILED = {
    Ending.RETRIED: "failed{took}: a worker would try it {reason}",
    Ending.SNOOZED: "snoozed{took}: a worker would run it {reason}",
    Ending.BOUNCED: "not run: a worker would put it back, for one with other code: {reason}",
    Ending.BURIED: "failed{took}: a worker would bury it: {reason}",
}


@click.command("replay")
@click.argument("id", type=ID)
@click.argument("modules", nargs=-1, metavar="MODULE...")
@click.option("--pdb", "debug", is_flag=True, help="Open the debugger where the handler raises.")
@click.option("--settle", is_flag=True, help="Delete the job from its queue if it succeeds.")
@redact_options
@target_options
@pass_target
def replay_job(
    target: Target,
    id: str,
    modules: tuple[str, ...],
    debug: bool,
    settle: bool,
    redact: tuple[str, ...],
    reveal: bool,
) -> int:
    """Run one job here, in the foreground, with the code of these modules.

    The queue is only looked at: the job stays where it is, whatever becomes of this run. What its
    handler does, it does for real.

    \b
    pulpo replay 0198c0de-7a11-7b0b-8123-6c6f73746a6f shop.tasks
    pulpo replay 0198c0de-7a11-7b0b-8123-6c6f73746a6f shop.tasks --pdb
    """
    check_modules(modules)
    hidden = hiding(redact, reveal=reveal)
    shared_url(target)
    parts = load_parts(modules, target.url)
    found = _found(id, parts.engine, settle=settle)
    log_format("text", verbose=target.verbose)
    done = replay(found, parts.codec, parts.registry, SystemClock(), timed=not debug)
    envelope = done.run.envelope
    data(escape(hidden.text(_in_words(done), envelope.body, envelope.headers), keep="\n"))
    if debug:
        _debug(done)
    if done.verdict.verb is not Verb.DELETE:
        return FAILED
    if settle:
        _settle(id, parts.engine)
    return DONE


def _found(id: str, engine: Engine, *, settle: bool) -> ListedJob:
    with closing(engine.admin()) as admin:
        (found,) = admin.peek([id])
    if found is None:
        raise CommandError(f"no job {id!r}: done, deleted, or in another queue", code=NOT_FOUND)
    if found.state is JobState.RESERVED:
        if settle:
            raise CommandError(f"a worker is running {id} now; it settles it", code=REFUSED)
        talk(f"a worker is running {id} now, and this is a second run beside it")
    elif found.state is not JobState.BURIED:
        talk(f"{id} is {found.state.value}: a worker may run it as well")
    return found


def _settle(id: str, engine: Engine) -> None:
    with closing(engine.admin()) as admin:
        (deleted,) = admin.delete([id])
        if deleted:
            data(f"deleted {id}")
            return
        (found,) = admin.peek([id])
    state = "it is gone" if found is None else f"it is {found.state.value}"
    raise CommandError(f"{id} was not deleted: {state}; a worker has taken it", code=REFUSED)


def _in_words(done: Replay) -> str:
    run, verdict = done.run, done.verdict
    took = "" if done.took is None else f" in {as_text(done.took)}"
    lines = [f"{run.type} {run.id} queue={run.queue} attempt={run.attempt}"]
    if done.expired:
        lines.append("it has expired: a worker would delete it without running it")
    if verdict.ending in _FAILED:
        lines.append(_FAILED[verdict.ending].format(took=took, reason=verdict.reason))
    else:
        reason = f": {verdict.reason}" if verdict.reason else ""
        lines.append(f"{verdict.ending.value}{took}{reason}")
    if verdict.error and verdict.error != verdict.reason:
        lines.append("    " + verdict.error.rstrip().replace("\n", "\n    "))
    return "\n".join(lines)


def _debug(done: Replay) -> None:
    if done.error is None or done.error.__traceback__ is None:
        talk("nothing was raised, so there is nothing to debug")
        return
    import pdb  # noqa: PLC0415  # asked for

    pdb.post_mortem(done.error.__traceback__)
