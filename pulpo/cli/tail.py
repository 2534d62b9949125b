"""`pulpo jobs tail`: jobs as they come into their queues.

What can be known from outside is what is there at a look: a job that was put and done between two
looks is not shown. A job whose run failed, or that was buried, is shown once more, where it still
is among the newest.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

import click

from pulpo.adapter import QueueAdmin
from pulpo.cli.door import administered, codec, hint_at_queue
from pulpo.cli.filters import filter_options, take_filter
from pulpo.cli.hiding import hiding, redact_options
from pulpo.cli.job_text import row
from pulpo.cli.output import data, escape, json_line, talk
from pulpo.cli.parameters import PERIOD
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.clock import SystemClock
from pulpo.codec import Codec
from pulpo.job_filter import JobFilter
from pulpo.view import ShownJob, show

__all__ = ["tail_jobs"]

_LOOK_AT = 1_000
_REMEMBERED = 100_000
# A job is shown again when it has failed once more, or was buried.
_Key = tuple[str, int, bool]


@click.command("tail")
@filter_options
@click.option(
    "--interval",
    type=PERIOD,
    default="1s",
    show_default=True,
    metavar="DURATION",
    help="How long between two looks.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@redact_options
@target_options
@pass_target
def tail_jobs(
    target: Target,
    /,
    interval: float,
    as_json: bool,
    redact: tuple[str, ...],
    reveal: bool,
    **options: object,
) -> None:
    """Print jobs as they arrive, one a line, until interrupted.

    \b
    pulpo jobs tail -q mail
    pulpo jobs tail --type mail.welcome --json
    """
    wanted, hidden = take_filter(options), hiding(redact, reveal=reveal)
    with administered(target) as (admin, _):
        if wanted.queue is not None:
            hint_at_queue(admin, wanted.queue)
        try:
            for job in map(hidden.job, _arriving(admin, wanted, codec(), interval)):
                data(json_line(job.as_json()) if as_json else _line(job))
                sys.stdout.flush()
        except KeyboardInterrupt:
            return


def _arriving(
    admin: QueueAdmin, wanted: JobFilter, keys: Codec, interval: float
) -> Iterator[ShownJob]:
    """Yield jobs that were not there at the look before, the oldest first."""
    seen: dict[_Key, None] = dict.fromkeys(map(_key, _newest(admin, keys)))
    talk("waiting for jobs; Ctrl-C ends it")
    while True:
        time.sleep(interval)
        jobs = _newest(admin, keys)
        new = [job for job in jobs if _key(job) not in seen]
        if len(new) == len(jobs) >= _LOOK_AT:
            talk(f"more than {_LOOK_AT} jobs came between two looks: some are not shown")
        seen.update(dict.fromkeys(map(_key, new)))
        while len(seen) > _REMEMBERED:
            del seen[next(iter(seen))]
        now = SystemClock().wall()
        yield from (job for job in reversed(new) if wanted.matches(job, now=now))


def _newest(admin: QueueAdmin, keys: Codec) -> Sequence[ShownJob]:
    return [show(job, keys) for job in admin.newest(_LOOK_AT)]


def _key(job: ShownJob) -> _Key:
    return job.id, job.attempt, job.state == "buried"


def _line(job: ShownJob) -> str:
    return "  ".join(escape(cell) for cell in row(job) if cell)
