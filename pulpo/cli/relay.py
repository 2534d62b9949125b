"""`pulpo relay`: hand over what a spool has kept, now or as long as it runs."""

from __future__ import annotations

import sys
import time
from contextlib import closing

import click

from pulpo.adapters import open_engine
from pulpo.adapters.spool.engine import SpoolingEngine
from pulpo.adapters.spool.relaying import Relayed, relay
from pulpo.cli.door import shared_url
from pulpo.cli.errors import DONE, FAILED, OUT_OF_REACH, CommandError, sentence
from pulpo.cli.output import data, talk
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.clock import SystemClock
from pulpo.errors import QueueError

__all__ = ["relay_jobs"]

# Between two looks of --watch, and between two of whoever waits for another relay, in seconds.
_LOOK, _ASK_AGAIN = 1.0, 0.1
# The other relay may be frozen, and its process with it.
_PATIENCE = 30.0


@click.command("relay")
@click.option("--watch", is_flag=True, help="Go on until interrupted.")
@target_options
@pass_target
def relay_jobs(target: Target, watch: bool) -> int:
    """Hand the jobs of a spool over to their queue, the most urgent first.

    The spool is the one of the URL: beanstalkd://host?spool=DIR. Exits with 4 where the queue is
    out of reach, with 1 where it has refused a job for good.

    \b
    pulpo relay
    pulpo relay --watch
    """
    engine = open_engine(shared_url(target))
    if not isinstance(engine, SpoolingEngine):
        raise click.UsageError("the URL names no spool, as in beanstalkd://host?spool=DIR")
    return _watch(engine) if watch else _once(engine)


def _once(engine: SpoolingEngine) -> int:
    count = refused = 0
    relayed = Relayed(left=True)
    clock = SystemClock()
    deadline = clock.monotonic() + _PATIENCE
    while relayed.left and relayed.error is None:
        relayed = _relayed(engine)
        count, refused = count + relayed.count, refused + relayed.refused
        if relayed.busy:
            if clock.monotonic() > deadline:
                data(_told(count, refused))
                raise CommandError("another process is relaying this spool", code=FAILED)
            time.sleep(_ASK_AGAIN)
    data(_told(count, refused))
    if relayed.error is not None:
        talk(sentence(relayed.error))
        return OUT_OF_REACH
    return FAILED if refused else DONE


def _watch(engine: SpoolingEngine) -> int:
    complaint = ""
    while True:
        relayed = _relayed(engine)
        if relayed.count or relayed.refused:
            data(_told(relayed.count, relayed.refused))
            sys.stdout.flush()
        said = "" if relayed.error is None else sentence(relayed.error)
        if said and not complaint:
            talk(f"{said}; trying again")
        complaint = said
        if not relayed.left or relayed.busy or said:
            time.sleep(_LOOK)


def _relayed(engine: SpoolingEngine) -> Relayed:
    try:
        if engine.spool.is_empty():
            return Relayed()
        with closing(engine.queue.adapter()) as door:
            return relay(engine.spool, door, SystemClock(), seconds=1.0)
    except QueueError as error:  # of the spool: what the queue says is in what is returned
        raise CommandError(str(error), code=FAILED) from error
    except OSError as error:
        where = repr(str(engine.spool.folder))
        text = f"the spool cannot be read ({error.strerror}): {where}"
        raise CommandError(text, code=FAILED) from error


def _told(count: int, refused: int) -> str:
    jobs = f"{count} job" if count == 1 else f"{count} jobs"
    return f"relayed {jobs}" + (f", {refused} refused" if refused else "")
