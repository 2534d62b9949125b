"""Why one job is not running: its bytes and what is known around it, put before `explain`.

For every seat of an operator. Who asks has looked at the queue; nothing is asked here.
"""

from __future__ import annotations

from pulpo.codec import Codec
from pulpo.explaining import Explanation, Facts, JobFacts, explain
from pulpo.job import JobId, ListedJob, QueueStats
from pulpo.redaction import Redaction
from pulpo.telling.told import Told
from pulpo.view import ShownJob, show
from pulpo.worker.story import as_line

__all__ = ["diagnosed"]


def diagnosed(
    found: ListedJob,
    keys: Codec,
    told: Told,
    *,
    now: float,
    stats: QueueStats | None,
    ahead: tuple[int, int] | None,
    hidden: Redaction,
    rival: JobId | None = None,
) -> Explanation:
    """Return the reasons; `now` is in seconds since the epoch, the rest as in `Facts`.

    They quote nothing of the job that is `hidden`. `rival` is another job that holds its key.
    """
    facts = Facts(
        now=now,
        job=_job_facts(found, hidden.job(show(found, keys)), rival),
        stats=stats,
        ahead=ahead,
        workers=told.workers,
        knows_all_workers=told.is_whole,
        rate=told.rate,
        limit=told.waits_for.get(found.id),
    )
    return explain(found.id, facts)


def _job_facts(found: ListedJob, shown: ShownJob, rival: JobId | None) -> JobFacts:
    return JobFacts(
        id=found.id,
        queue=found.queue,
        state=found.state,
        type=shown.type,
        failures=shown.attempt - 1,
        due=found.due,
        expires=shown.expires,
        error=as_line(shown.error) if shown.error else None,
        problem=shown.problem,
        duplicate_of=rival,
        limited=shown.limited,
        turn=shown.turn,
        origin=shown.origin,
    )
