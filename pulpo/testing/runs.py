"""What a test's worker has run, and how each run ended.

Values only; knows no queue and no worker.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulpo.outcome import Bury, Cancel, Outcome, Retry, Snooze, Success
from pulpo.run import Run
from pulpo.worker.decide import Ending, Raised, Verdict
from pulpo.worker.story import as_line

if TYPE_CHECKING:
    from typing import Self

__all__ = ["JobRun", "Runs", "job_run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """One run of one job, or what became of a job that could not be run.

    `ending` is how logs call it: `success`, `retried`, `snoozed`, `buried`, `cancelled`, `expired`,
    `bounced`, `limited`, `duplicate`. `outcome` is the same as a value, with what the rules of
    retrying have made of it: `Retry.delay` and `Snooze.delay` are seconds; None where the handler
    was not called. `error` is what the handler raised, `reason` a line that says why.
    """

    id: str
    type: str
    queue: str
    attempt: int
    ending: str
    outcome: Outcome | None
    error: BaseException | None = None
    reason: str = ""

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"{self.type} id={self.id} attempt={self.attempt} {self.ending}{why}"


class Runs(tuple[JobRun, ...]):
    """The runs of a test's worker, in their order."""

    __slots__ = ()

    @property
    def succeeded(self) -> int:
        """How many runs ended well."""
        return self._count("success")

    @property
    def retried(self) -> int:
        """How many runs failed, and their jobs wait for the next one."""
        return self._count("retried")

    @property
    def snoozed(self) -> int:
        """How many runs asked to be run later."""
        return self._count("snoozed")

    @property
    def buried(self) -> int:
        """How many jobs were put aside."""
        return self._count("buried")

    @property
    def cancelled(self) -> int:
        """How many runs said that their work is no longer wanted."""
        return self._count("cancelled")

    @property
    def expired(self) -> int:
        """How many jobs came too late, and were not run."""
        return self._count("expired")

    @property
    def bounced(self) -> int:
        """How many jobs no handler here knows, or whose arguments do not fit it."""
        return self._count("bounced")

    @property
    def limited(self) -> int:
        """How many jobs were put off, since their limit had no slot or no turn for them."""
        return self._count("limited")

    def raise_errors(self) -> Self:
        """Raise what the last run of a job has raised; returns itself where all ended well.

        A job that failed and was run again with success has ended well. Of several errors the first
        is raised, and names the others.
        """
        last = {run.id: run for run in self}
        failed = [run for run in last.values() if run.error is not None]
        if not failed:
            return self
        error = failed[0].error
        assert error is not None
        for run in failed:
            error.add_note(f"pulpo ran {run}")
        raise error

    def _count(self, ending: str) -> int:
        return sum(run.ending == ending for run in self)

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "nothing was run"

    def __repr__(self) -> str:
        return f"Runs({', '.join(map(repr, self))})"


def job_run(run: Run, verdict: Verdict, result: object) -> JobRun:
    """Return what a run came to; `result` is what the handler returned, or `Raised`."""
    raised = result.error if type(result) is Raised else None
    return JobRun(
        id=run.id,
        type=run.type,
        queue=run.queue,
        attempt=run.attempt,
        ending=verdict.ending.value,
        outcome=_outcome(verdict, result) if run.started else None,
        error=raised,
        reason=verdict.reason,
    )


def _outcome(verdict: Verdict, result: object) -> Outcome | None:
    said = getattr(result, "reason", "") if type(result) in (Retry, Bury, Cancel) else None
    match verdict.ending:
        case Ending.SUCCESS:
            return result if type(result) is Success else Success(result)
        case Ending.RETRIED:
            return Retry(verdict.delay, as_line(verdict.error) if said is None else said)
        case Ending.SNOOZED:
            return Snooze(verdict.delay)
        case Ending.BURIED:
            # Of one that asked for a retry and got none, why it did not.
            return Bury(said if said and type(result) is Bury else verdict.reason)
        case Ending.CANCELLED:
            return Cancel(said or "")
        case _:
            return None


def joined(parts: Iterable[Runs]) -> Runs:
    """Return the runs of several turns as one."""
    return Runs(run for part in parts for run in part)
