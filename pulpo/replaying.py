"""One job run here and now, as a worker would, without the queue hearing of it.

Decoding, binding, context and verdict are the worker's own. What is missing on purpose is the time
limit: who looks for a bug stands still for a while. A run that was longer is told so afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from pulpo.clock import Clock
from pulpo.codec import Codec
from pulpo.duration import as_text
from pulpo.errors import JobTimeoutError
from pulpo.job import Job, ListedJob
from pulpo.registry import Registry
from pulpo.run import Run
from pulpo.worker.decide import EXPIRED, Raised, Verdict, decide
from pulpo.worker.execute import Finished, execute, execute_async
from pulpo.worker.opening import open_job

__all__ = ["Replay", "replay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a run here has come to.

    `verdict` is what a worker would do with the job, `error` what the handler raised. `took` is in
    seconds, None where the job could not even be begun. `expired` tells that a worker would not
    have begun it, because it is too late.
    """

    run: Run
    verdict: Verdict
    error: BaseException | None = None
    took: float | None = None
    expired: bool = False


def replay(
    found: ListedJob, codec: Codec, registry: Registry, clock: Clock, *, timed: bool = True
) -> Replay:
    """Run a job in this thread, or on an event loop of its own.

    With `timed`, a run that took longer than its timeout has failed, as it would in a worker.
    Raises `KeyboardInterrupt` where somebody ends it so, and nothing that the handler raises.
    """
    job = Job(
        number=found.number,
        body=found.body,
        id=found.id,
        queue=found.queue,
        priority=found.priority,
        ttr=found.ttr,
    )
    run, verdict = open_job(job, codec, registry, now=clock.wall(), spread=0.0)
    expired = verdict is EXPIRED
    if expired:  # whoever asks for it wants to see it run: at a moment when it was not too late
        run, verdict = open_job(job, codec, registry, now=0.0, spread=0.0)
    if verdict is not None:
        return Replay(run=run, verdict=verdict, expired=expired)
    finished = _finished(run, clock)
    result, took = finished.result, finished.ended - run.started
    limit = run.job_type.timeout
    if timed and took > limit:
        result = Raised(JobTimeoutError(f"timed out after {as_text(limit)}"))
    return Replay(
        run=run,
        verdict=decide(result, run.job_type.policy, failures=run.envelope.failures, spread=0.0),
        error=result.error if isinstance(result, Raised) else None,
        took=took,
        expired=expired,
    )


def _finished(run: Run, clock: Clock) -> Finished:
    if run.job_type.is_async:
        import asyncio  # noqa: PLC0415  # only for coroutines

        return asyncio.run(_on_its_loop(run, clock))
    finished = execute(run, clock)
    if isinstance(finished.result, Raised) and type(finished.result.error) is KeyboardInterrupt:
        raise KeyboardInterrupt
    return finished


async def _on_its_loop(run: Run, clock: Clock) -> Finished:
    from asyncio import current_task  # noqa: PLC0415  # only for coroutines

    finished = await execute_async(run, clock)
    task = current_task()
    if task is not None and task.cancelling():  # that is how asyncio passes on a ^C
        raise KeyboardInterrupt
    return finished
