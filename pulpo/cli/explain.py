"""`pulpo explain`: gathers what is known of a job; the reasons are `pulpo.explaining`'s."""

from __future__ import annotations

import click

from pulpo.adapter import Engine, QueueAdmin
from pulpo.adapters.spool.engine import spool_of
from pulpo.cli.door import administered, codec
from pulpo.cli.errors import DONE, NOT_FOUND
from pulpo.cli.hiding import hiding, redact_options
from pulpo.cli.output import data, escape, json_line, talk
from pulpo.cli.parameters import ID
from pulpo.cli.side_data import told_beside
from pulpo.cli.spool import in_spool, sentence_of
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.clock import SystemClock
from pulpo.diagnosis import diagnosed
from pulpo.explaining import Explanation, Facts
from pulpo.explaining import explain as explained
from pulpo.job import JobState
from pulpo.redaction import Redaction
from pulpo.rivals import rival_of

__all__ = ["explain"]


@click.command()
@click.argument("id", type=ID)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@redact_options
@target_options
@pass_target
def explain(target: Target, id: str, as_json: bool, redact: tuple[str, ...], reveal: bool) -> int:
    """Say why a job is not running, and what to do about it.

    \b
    pulpo explain 0198c0de-7a11-7b0b-8123-6c6f73746a6f
    """
    hidden = hiding(redact, reveal=reveal)
    with administered(target) as (admin, engine):
        answer = _answer(id, admin, engine, hidden)
    data(json_line(answer.as_json()) if as_json else _for_people(answer))
    spool = spool_of(engine)
    if answer.state is None and spool is not None:
        # It may not have left this host yet: a spool is no queue, and its jobs are not looked up.
        kept = in_spool(spool)
        if kept is not None and kept.jobs:
            talk(f"it may be one that waits to be relayed: {sentence_of(kept, spool)}")
    return NOT_FOUND if answer.state is None else DONE


def _answer(id: str, admin: QueueAdmin, engine: Engine, hidden: Redaction) -> Explanation:
    (found,) = admin.peek([id])
    now = SystemClock().wall()
    if found is None:
        return explained(id, Facts(now=now, job=None))
    return diagnosed(
        found,
        codec(),
        told_beside(engine, found.queue, now=now),
        now=now,
        stats=admin.stats(found.queue),
        ahead=admin.ahead(found) if found.state is JobState.READY else None,
        hidden=hidden,
        rival=rival_of(found, admin),
    )


def _for_people(answer: Explanation) -> str:
    state = "not here" if answer.state is None else answer.state.value
    source = f" (from {answer.origin})" if answer.origin else ""
    lines = [f"{escape(answer.id)} is {state}{escape(source)}"]
    for reason in answer.reasons:
        lines.append(f"{reason.code.value:<13} {escape(reason.text)}")
        lines.append(f"{'':13} do: {escape(reason.hint)}")
    return "\n".join(lines)
