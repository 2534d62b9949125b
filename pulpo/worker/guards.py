"""The rule of guards that are kept beside the queue: a run needs the keys of its job.

What a key is worth, and who holds it, is known in `pulpo.holds`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pulpo.adapter import Engine, GuardsBeside
from pulpo.holds import Claim, Hold, confirm, free
from pulpo.job import ListedJob, Verb
from pulpo.registry import JobType
from pulpo.run import Run
from pulpo.worker.decide import Ending, Verdict, duplicate
from pulpo.worker.gatekeeper import Beside

__all__ = ["GuardRule", "refused_guards"]


def refused_guards(engine: Engine, job_types: Iterable[JobType]) -> list[tuple[JobType, str]]:
    """Return the types that are unique on a queue where nobody keeps guards, and why each is not.

    Opens nothing.
    """
    if not isinstance(engine, GuardsBeside) or engine.guards_beside is not False:
        return []
    why = (
        "this queue itself keeps no guards: name a place for them that all its producers and "
        "workers reach, as in beanstalkd://...?side=sqlite:////var/lib/shop/side.db (several "
        "beanstalkds as one queue keep none)"
    )
    return [
        (job_type, f"{job_type.type!r} is unique, and {why}")
        for job_type in job_types
        if job_type.unique is not None
    ]


class GuardRule:
    """See `pulpo.worker.gatekeeper.Rule`."""

    @property
    def looks_after(self) -> bool:
        """Nothing: a key is held without an end."""
        return False

    def concerns(self, run: Run) -> bool:
        """Whether the job has guards."""
        return "guards" in run.envelope.headers

    def ask(self, runs: Sequence[Run], beside: Beside) -> Sequence[Verdict | None]:
        """Confirm the keys of jobs; one whose key another job holds is a duplicate."""

        def search(hold: Hold) -> ListedJob | None:
            return beside.admin.peek([hold.id])[0]

        asked = [(place, claim) for place, run in enumerate(runs) for claim in _claims(run)]
        holders = confirm(beside.store, search, [claim for _, claim in asked])
        verdicts: list[Verdict | None] = [None] * len(runs)
        for (place, _), holder in zip(asked, holders, strict=True):
            if holder is not None and verdicts[place] is None:
                verdicts[place] = duplicate(runs[place].envelope, holder)
        return verdicts

    def allowed_until(self, run: Run) -> float:  # noqa: ARG002  # whatever it is
        """Run as long as you like."""
        return math.inf

    def ended(self, runs: Sequence[Run], beside: Beside) -> None:
        """Nothing is held by a run."""

    def settled(self, told: Sequence[tuple[Run, Verdict]], beside: Beside) -> None:
        """Free the keys of jobs that are gone or buried."""
        gone = [
            (key, run.id)
            for run, verdict in told
            if verdict.verb in (Verb.DELETE, Verb.BURY) and verdict.ending is not Ending.LOST
            for key, until in run.envelope.guards
            if until == "done"
        ]
        if gone:
            free(beside.store, gone)

    def keep(self, beside: Beside) -> None:
        """Nothing has to be looked after: a key is held without an end."""


def _claims(run: Run) -> list[Claim]:
    number = run.job.number
    return [
        Claim(key, Hold(run.id, run.queue, until, pending=False, number=number))
        for key, until in run.envelope.guards
    ]
