"""One run of one job, and the outcome that it had.

The job goes through publishing, wire format, middleware and the worker's rules as ever, but past
the queue: what waits there stays as it is. Knows no test's queue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from pulpo.adapter import Engine
from pulpo.adapters import open_engine
from pulpo.clock import Clock
from pulpo.errors import UsageError
from pulpo.job import NewJob
from pulpo.message import Message
from pulpo.outcome import Outcome
from pulpo.testing.connections import NotingConnections
from pulpo.testing.loops import Loops
from pulpo.testing.runs import JobRun, Runs
from pulpo.testing.turn import Turn

if TYPE_CHECKING:
    from pulpo.app import Pulpo

__all__ = ["aperform", "perform"]

_URL = "memory://"


def perform(app: Pulpo, message: Message, clock: Clock, loops: Loops, *, attempt: int) -> Outcome:
    """Run a message as its n-th attempt; see `pulpo.testing.perform`."""
    engine, queue = _prepared(app, message, clock, attempt)
    return _outcome(message, _turn(app, engine, queue, clock, loops).run())


async def aperform(app: Pulpo, message: Message, clock: Clock, *, attempt: int) -> Outcome:
    """Like `perform`; coroutines run on this event loop."""
    engine, queue = _prepared(app, message, clock, attempt)
    return _outcome(message, await _turn(app, engine, queue, clock, None).arun())


def _turn(app: Pulpo, engine: Engine, queue: str, clock: Clock, loops: Loops | None) -> Turn:
    parts = replace(app.parts(), engine=engine)
    return Turn(parts, clock, [queue], at_most=1, loops=loops)


def _prepared(app: Pulpo, message: Message, clock: Clock, attempt: int) -> tuple[Engine, str]:
    """Return an engine in which just this job is ready, and its queue."""
    if attempt < 1:
        raise UsageError(f"attempt must be 1 or more: {attempt!r}")
    app.registry[message.type]  # an unknown type is the test's mistake, no outcome
    job = _published(app, message, clock)
    envelope = app.codec.decode(job.body).with_headers(failures=attempt - 1 or None)
    body = app.codec.encode(envelope.headers, envelope.body)
    engine = open_engine(_URL, clock=clock)
    engine.adapter().put([replace(job, body=body, delay=0.0, at=None)])
    return engine, job.queue


def _published(app: Pulpo, message: Message, clock: Clock) -> NewJob:
    """Return the job that a message is on its way to the queue, middleware and all."""
    connections = NotingConnections(open_engine(_URL, clock=clock), _URL, clock)
    give_back: Callable[[], None] = app.choice.lend(connections, clock)
    try:
        app.publish(message)
    finally:
        give_back()
    return connections.record[0].job


def _outcome(message: Message, runs: Runs) -> Outcome:
    run: JobRun | None = next((run for run in runs if run.id == message.id), None)
    if run is None or run.outcome is None:
        why = "nothing was run" if run is None else f"{run.ending}: {run.reason}"
        raise UsageError(f"{message.type!r} has no outcome, its handler was not called; {why}")
    return run.outcome
