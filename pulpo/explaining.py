"""Why a job is not running, in words, from facts that somebody else has gathered.

Pure: no queue, no clock, no bytes. Who asks says what is known; what is not known is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from pulpo.duration import as_text
from pulpo.job import JobId, JobState, QueueStats

__all__ = [
    "Code",
    "Explanation",
    "Facts",
    "FullLimit",
    "JobFacts",
    "LiveWorker",
    "Reason",
    "Slot",
    "explain",
]

# Of those who have a slot, so many are named.
_MOST_HOLDERS = 10


class Code(Enum):
    """Why a job is not running, in one word."""

    RUNNING = "running"
    DELAYED = "delayed"
    RETRYING = "retrying"
    LIMITED = "limited"
    PAUSED = "paused"
    BEHIND = "behind"
    NO_WORKER = "no_worker"
    UNKNOWN_TYPE = "unknown_type"
    BURIED = "buried"
    DUPLICATE_OF = "duplicate_of"
    EXPIRED = "expired"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """What is known of a job.

    `type` is None where its bytes are no job. `due` is seconds until a delayed one is ready,
    `expires` a second since the epoch. `error` is its last failure in one line, `problem` why no
    worker would run it as it is. `duplicate_of` is another job that holds the key of this one.
    `limited` is since when it is put back because it was not to start yet, `turn` the second since
    the epoch that a rate has given it. `origin` is the schedule that published it.
    """

    id: JobId
    queue: str
    state: JobState
    type: str | None
    failures: int = 0
    due: float = 0.0
    expires: float | None = None
    error: str | None = None
    problem: str | None = None
    duplicate_of: JobId | None = None
    limited: float | None = None
    turn: float | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What one slot of a worker runs, and since which second of the epoch."""

    job: JobId
    type: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWorker:
    """A worker that lives: which queues it serves, which types it knows, what it runs now.

    `knows_more` = there are more types than these. `has_no_thread_free` = what is no coroutine has
    to wait there.
    """

    name: str
    host: str
    pid: int
    queues: frozenset[str]
    types: frozenset[str]
    knows_more: bool = False
    has_no_thread_free: bool = False
    slots: tuple[Slot, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FullLimit:
    """A limit that a job waits for: how many slots it has, and which job has each, and where."""

    shown: str
    slots: int
    holders: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known at one moment, `now` in seconds since the epoch.

    `job` is None where nobody has it. `ahead` is how many ready jobs of its queue go first: at
    least, at most. `workers` is None where it is not known who lives, which is not the same as
    nobody; without `knows_all_workers` there may be others, on other hosts. `rate`
    is how many jobs of the queue are done a second, over the last minutes. `limit` is what it waits
    for, where that is known.
    """

    now: float
    job: JobFacts | None
    stats: QueueStats | None = None
    ahead: tuple[int, int] | None = None
    workers: Sequence[LiveWorker] | None = None
    knows_all_workers: bool = True
    rate: float | None = None
    limit: FullLimit | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: a code for programs, a sentence for people, and what to do about it."""

    code: Code
    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job is not running: all reasons that hold, the most decisive first.

    `state` is None where nobody has the job, `origin` where no schedule published it.
    """

    id: JobId
    state: JobState | None
    reasons: tuple[Reason, ...]
    origin: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return it as values that JSON has."""
        found: dict[str, object] = {
            "id": self.id,
            "state": None if self.state is None else self.state.value,
            "reasons": [
                {"code": reason.code.value, "text": reason.text, "hint": reason.hint}
                for reason in self.reasons
            ],
        }
        return found if self.origin is None else {**found, "from": self.origin}


def explain(id: JobId, facts: Facts) -> Explanation:
    """Return every reason why a job is not running, or that it is."""
    job = facts.job
    if job is None:
        return Explanation(id, None, (_NOBODY_HAS_IT,))
    return Explanation(id, job.state, tuple(_BY_STATE[job.state](job, facts)), job.origin)


_NOBODY_HAS_IT = Reason(
    Code.NOT_FOUND,
    "no queue here has this job: it is done, expired, cancelled or deleted, or it never came",
    "see that id and --url are right; a worker's log has one line for each outcome",
)


def _of_reserved(job: JobFacts, facts: Facts) -> Iterator[Reason]:
    held = "a worker has it"
    for worker in facts.workers or ():
        for slot in worker.slots:
            if slot.job == job.id:
                where = f"worker {worker.name!r} (pid {worker.pid} on {worker.host})"
                held = f"{where} has been running it for {_length(facts.now - slot.since)}"
    yield Reason(
        Code.RUNNING,
        f"{held}; this is attempt {job.failures + 1}",
        "wait for its end; a run that is longer than the timeout of its type is ended",
    )


def _of_buried(job: JobFacts, facts: Facts) -> Iterator[Reason]:
    why = job.error or job.problem or "without a word"
    after = f" after {_count(job.failures, 'failure')}" if job.failures else ""
    yield Reason(
        Code.BURIED,
        f"it is put aside{after}: {why}",
        f"see all of it with `pulpo jobs show {job.id}`, try it here with `pulpo replay {job.id} "
        f"MODULE`, mend the cause, then `pulpo jobs kick {job.id}` for one more run",
    )
    if job.duplicate_of is not None:
        yield Reason(
            Code.DUPLICATE_OF,
            f"job {job.duplicate_of} holds its key and stands for it: a kick is refused meanwhile",
            f"wait until that one is done, or `pulpo jobs delete {job.id}`",
        )
    yield from _expired(job, facts, "a kick would only delete it")


def _of_delayed(job: JobFacts, facts: Facts) -> Iterator[Reason]:
    yield from _superfluous(job)
    yield from _expired(job, facts, "it is not run when its time comes")
    when = f"in {_length(job.due)}, at {_moment(facts.now + job.due)}"
    now = f"`pulpo jobs kick {job.id}` makes it ready now"
    aside = f"; {job.problem}" if job.problem else ""
    if job.limited is not None:
        yield _limited(job, facts, when)
    elif job.failures:
        told = job.error or job.problem or "without a word"
        yield Reason(
            Code.RETRYING,
            f"attempt {job.failures} has failed: {told}; attempt {job.failures + 1} comes {when}",
            f"`pulpo jobs show {job.id}` has the traceback; {now}",
        )
    else:
        hint = now
        if job.problem:
            hint = "start a worker whose code fits it: `pulpo check MODULE --live` tells which does"
        yield Reason(Code.DELAYED, f"it is not to run before its time: {when}{aside}", hint)
    yield from _hindrances(job, facts)


def _limited(job: JobFacts, facts: Facts, when: str) -> Reason:
    """Return why a job was put back that was not to start yet."""
    now, limit = f"`pulpo jobs kick {job.id}` makes it ready now", facts.limit
    if job.turn is not None and job.turn - facts.now > job.due / 2:
        return Reason(
            Code.LIMITED,
            f"it has its turn at the rate of its limit {when}",
            f"a higher `rate` lets more start; {now}, before its turn",
        )
    wakes = f"whoever frees one wakes it; should nobody, it comes again {when}"
    if limit is None or len(limit.holders) < limit.slots:
        which = "its type" if limit is None else limit.shown
        return Reason(
            Code.LIMITED,
            f"it waits for a slot of {which}, or for a worker that can ask for one",
            f"{wakes}; {now}",
        )
    held = len(limit.holders)
    by = ", ".join(limit.holders[:_MOST_HOLDERS]) + ", and others" * (held > _MOST_HOLDERS)
    return Reason(
        Code.LIMITED,
        f"it waits for a slot of {limit.shown}: {held} of {limit.slots} are taken, by {by}",
        f"{wakes}; a higher `concurrency` gives it more slots",
    )


def _of_ready(job: JobFacts, facts: Facts) -> Iterator[Reason]:
    found = [
        *_superfluous(job),
        *_expired(job, facts, "the next worker that takes it deletes it unrun"),
        *_hindrances(job, facts),
    ]
    yield from found
    if not found or (facts.ahead is not None and facts.ahead[1]):
        yield _behind(job, facts)


def _superfluous(job: JobFacts) -> Iterator[Reason]:
    if job.duplicate_of is not None:
        yield Reason(
            Code.DUPLICATE_OF,
            f"job {job.duplicate_of} holds its key and stands for it: the next worker that takes "
            "this one deletes it unrun",
            f"see that one with `pulpo jobs show {job.duplicate_of}`",
        )


def _expired(job: JobFacts, facts: Facts, then: str) -> Iterator[Reason]:
    if job.expires is None or job.expires > facts.now + job.due:
        return
    moment, now = _moment(job.expires), facts.now
    said = "expired" if job.expires <= now else "expires before it is due,"
    yield Reason(
        Code.EXPIRED,
        f"it {said} at {moment}: {then}",
        "publish it again, with a later `expires`, if it is still wanted",
    )


def _hindrances(job: JobFacts, facts: Facts) -> Iterator[Reason]:
    """Yield what keeps every ready job like this one from being run."""
    stats = facts.stats
    if stats is not None and stats.paused:
        left = stats.pause_left
        end = "until somebody resumes it" if left is None else f"for another {_length(left)}"
        yield Reason(
            Code.PAUSED,
            f"queue {job.queue!r} is paused {end}",
            f"`pulpo resume {job.queue}` ends the pause",
        )
    if facts.workers is None:
        return
    serving = [worker for worker in facts.workers if job.queue in worker.queues]
    if not serving:
        yield _unserved(job, facts)
    elif job.type is not None and not any(
        worker.knows_more or job.type in worker.types for worker in serving
    ):
        one = len(serving) == 1
        yield Reason(
            Code.UNKNOWN_TYPE,
            f"{_count(len(serving), 'worker')} {'serves' if one else 'serve'} queue {job.queue!r}, "
            f"and {'it does not know' if one else 'none knows'} job type {job.type!r}",
            "start a worker whose code knows it, or give the type that it is called now this name "
            "among its aliases; after a day of tries it is buried",
        )


def _unserved(job: JobFacts, facts: Facts) -> Reason:
    start = f"start one: `pulpo worker MODULE... -q {job.queue}`"
    if facts.knows_all_workers:
        known = _count(len(facts.workers or ()), "worker")
        return Reason(
            Code.NO_WORKER, f"no worker serves queue {job.queue!r}; {known} in all", start
        )
    return Reason(
        Code.NO_WORKER,
        f"no worker that is known here serves queue {job.queue!r}: beside this queue each host "
        "knows its own",
        f"look with `pulpo workers` on the hosts that should work, or {start}",
    )


def _behind(job: JobFacts, facts: Facts) -> Reason:
    least, most = facts.ahead or (0, 0)
    if most == 0:
        text = "it is ready, and no other job of its queue goes first"
        hint = f"if it stays so, start a worker: `pulpo worker MODULE... -q {job.queue}`"
    else:
        how_many = _count(most, "job") if least == most else f"up to {_count(most, 'job')}"
        text = f"{how_many} of its queue {'goes' if most == 1 else 'go'} first"
        hint = "start more workers, or publish what is urgent with a lower priority number"
    if busy := _all_busy(job, facts):
        text += busy
        hint = (
            "`pulpo workers --stacks` says where those are; start more workers, and give what is "
            "slow a queue of its own"
        )
    elif facts.rate:
        text += f"; at the current rate it begins in about {_length((most + 1) / facts.rate)}"
    if job.problem:
        text += f"; {job.problem}"
    return Reason(Code.BEHIND, text, hint)


def _all_busy(job: JobFacts, facts: Facts) -> str:
    """Say that no worker of the queue has a thread free, and what holds the longest one."""
    serving = [worker for worker in facts.workers or () if job.queue in worker.queues]
    slots = [slot for worker in serving for slot in worker.slots]
    if not slots or not all(worker.has_no_thread_free for worker in serving):
        return ""
    longest = min(slots, key=lambda slot: slot.since)
    who = "the worker that serves it" if len(serving) == 1 else "each worker that serves it"
    return (
        f"; every thread of {who} is busy, one with {longest.type!r} for "
        f"{_length(facts.now - longest.since)}"
    )


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _length(seconds: float) -> str:
    return as_text(max(float(round(seconds)), 0.0) if seconds >= 1 else max(seconds, 0.0))


def _moment(second: float) -> str:
    # A delay may be longer than dates go.
    bounded = min(max(second, 0.0), 253_402_300_799.0)
    return datetime.fromtimestamp(bounded, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


_BY_STATE = {
    JobState.READY: _of_ready,
    JobState.DELAYED: _of_delayed,
    JobState.RESERVED: _of_reserved,
    JobState.BURIED: _of_buried,
}
