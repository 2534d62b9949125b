"""`pulpo doctor`: is this queue set up and running so that it keeps the promise?

Knows how findings are printed and what the command exits with; what to look at is known to the
engines, in their `checkup.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click

from pulpo.adapter import Engine, Examinable
from pulpo.adapters import open_engine
from pulpo.adapters.spool import checkup as spool
from pulpo.adapters.spool.engine import SpoolingEngine
from pulpo.checkup import Finding, Level, fault, judge_queues, note, ok
from pulpo.cli.errors import DONE, FAILED, OUT_OF_REACH
from pulpo.cli.output import data, escape, json_line, talk, wants_colour
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.configuration import FoundURL, find_url, signing_keys
from pulpo.errors import ConfigurationError, QueueError, UnsupportedError, UsageError
from pulpo.queue_url import mask

__all__ = ["doctor"]

_COLOURS = {Level.FAULT: "red", Level.WARNING: "yellow", Level.NOTE: "cyan", Level.OK: "green"}
_REACH = "reach"
_INDENT = " " * 9


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--salvage",
    "copy",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Copy what can be read of a damaged file queue into this new file.",
)
@target_options
@pass_target
def doctor(target: Target, as_json: bool, copy: Path | None) -> int:
    """Check the queue: is it set up, and does it run, so that nothing is lost?

    Safe on a queue in use. Exits with 1 where something is at fault, 4 where the queue is out of
    reach.

    \b
    pulpo doctor
    pulpo doctor --url beanstalkd://10.0.0.5 --json
    pulpo doctor --salvage rescued.db
    """
    url = find_url(target.url)
    engine = _engine(url)
    if copy is not None:
        return _salvage(engine, copy)
    found = []
    for finding in _findings(url, engine):
        found.append(finding)
        if not as_json:
            data(_for_people(finding))
    faulty = any(finding.level is Level.FAULT for finding in found)
    if as_json:
        checks = [_as_json(finding) for finding in found]
        data(json_line({"url": mask(url.url), "ok": not faulty, "checks": checks}))
    else:
        talk(_sum(found))
    if any(finding.name == _REACH for finding in found):
        return OUT_OF_REACH
    return FAILED if faulty else DONE


def _engine(url: FoundURL) -> Engine:
    try:
        return open_engine(url.url)
    except UsageError as error:
        if not url.source:
            raise
        raise ConfigurationError(f"{url.source}: {error}") from None


def _findings(url: FoundURL, engine: Engine) -> Iterator[Finding]:
    yield ok(
        "url",
        mask(url.url) + (f", from {url.source}" if url.source else ""),
        "producers and workers must name the same queue",
    )
    yield _signing()
    if isinstance(engine, SpoolingEngine):
        yield from spool.examine(engine.spool)
        engine = engine.queue
    try:
        yield from engine.examine(talk) if isinstance(engine, Examinable) else _by_admin(engine)
    except UnsupportedError as error:
        yield fault("version", str(error), "pulpo uses what older servers lack", "upgrade it")
    except QueueError as error:
        yield fault(
            _REACH,
            str(error),
            "nothing is published and nothing runs while the queue is out of reach",
            "mend what the checks above have found; else see that it runs, that the URL is right, "
            "and that no firewall is in between",
        )


def _signing() -> Finding:
    why = "whoever reaches the queue can put a job that your workers run, if it is not signed"
    try:
        keys = len(signing_keys())
    except ConfigurationError as error:
        return fault("signing", str(error), why, "mend PULPO_SIGNING_KEYS")
    if keys:
        return ok("signing", "on, 1 key" if keys == 1 else f"on, {keys} keys: the first signs", why)
    do = "set PULPO_SIGNING_KEYS, the same for producers and workers"
    return note("signing", "off", why, do)


def _by_admin(engine: Engine) -> Iterator[Finding]:
    """Yield what any engine's counts say, where it can't say more of itself."""
    with closing(engine.admin()) as admin:
        counted = [admin.stats(name) for name in admin.queues()]
    with closing(engine.adapter()) as adapter:
        keeps_pause = adapter.capabilities.keeps_pause
    yield from judge_queues(counted, None, keeps_pause=keeps_pause)


def _salvage(engine: Engine, copy: Path) -> int:
    from pulpo.adapters.sqlite import SQLiteEngine  # noqa: PLC0415  # of one engine only

    if not isinstance(engine, SQLiteEngine):
        raise UnsupportedError("only a file queue, sqlite:///..., can be salvaged")
    saved = engine.salvage(copy)
    data(f"{saved.copied:,} jobs copied into {escape(str(copy))}")
    for job_id in saved.lost:
        talk(f"lost: {job_id}")
    if saved.unsound:
        talk(f"{saved.unsound:,} rows were no jobs any more and were left out")
    if not saved.complete:
        talk("how many jobs there were cannot be read any more")
    talk(f"the damaged file stays as it is; point your URL at the new one: {str(copy)!r}")
    return DONE


def _as_json(finding: Finding) -> dict[str, str]:
    return {
        "name": finding.name,
        "level": finding.level.value,
        "found": finding.found,
        "why": finding.why,
        "do": finding.do,
    }


def _for_people(finding: Finding) -> str:
    level = finding.level.value.ljust(8)
    if wants_colour():
        level = click.style(level, fg=_COLOURS[finding.level])
    text = f"{level} {finding.name:<13} {escape(finding.found)}"
    if finding.level is not Level.OK:
        text += f"\n{_INDENT}why: {escape(finding.why)}"
        text += f"\n{_INDENT}do:  {escape(finding.do)}" if finding.do else ""
    return text


def _sum(found: list[Finding]) -> str:
    counts = []
    for level in (Level.FAULT, Level.WARNING):
        number = sum(finding.level is level for finding in found)
        if number:
            counts.append(f"{number} {level.value}{'s' * (number > 1)}")
    return ", ".join(counts) or "no faults, no warnings"
