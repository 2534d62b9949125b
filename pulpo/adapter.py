"""The port between pulpo and a queue: what an engine must do, as protocols.

Batch-first: a batch of one costs nothing, a loop of singles does. The contract behind every
sentence here is `pulpo.contract.AdapterContract`; an engine is right when it passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pulpo.errors import QueueError
from pulpo.job import (
    Capabilities,
    Change,
    Existing,
    Job,
    JobId,
    JobState,
    ListedJob,
    NewJob,
    Page,
    QueueStats,
    Settlement,
    Sighting,
)

if TYPE_CHECKING:
    from pulpo.checkup import Finding  # no worker and no producer needs it

__all__ = [
    "Engine",
    "Examinable",
    "Glimpsing",
    "Guarding",
    "GuardsBeside",
    "Inserting",
    "Migratable",
    "QueueAdapter",
    "QueueAdmin",
    "Transactional",
    "WakesUp",
    "no_beat",
]


def no_beat() -> None:
    """Tell nobody."""


class QueueAdapter(Protocol):
    """Where jobs wait.

    One thread of one process owns an adapter, `wake` excepted. Jobs reserved through an adapter
    are settled through the same adapter. Raising means a wrong call, or that nothing was sent:
    what happened to a single job is answered in its place. A wrong name, number or settlement
    raises `UsageError` before anything is sent; a closed adapter raises `QueueUnavailableError`.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this queue can do; may connect, and then raises `QueueUnavailableError`."""
        ...

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | Existing | QueueError]:
        """Accept jobs; for each, in order, its id or why it was not accepted.

        An id means accepted, as durably as the engine promises. `Existing` names who holds a key of
        its guards: the first one that is held counts, and none of the others is taken.
        `PublishUncertainError` in a place means that the job was sent and no answer came. Raises
        `QueueUnavailableError` when nothing was sent, `UnsupportedError` for a job with guards
        where the engine keeps none.
        """
        ...

    def exchange(
        self,
        settlements: Sequence[Settlement],
        queues: Sequence[str],
        *,
        limit: int,
        timeout: float,
    ) -> tuple[Sequence[bool | QueueError], Sequence[Job]]:
        """Settle, then reserve up to `limit` jobs, in one round trip.

        For each settlement, in order: True = done, False = the lease was lost and nothing was
        done, an error = not known: offer it again, the engine looks before it answers then. The
        jobs come most urgent first: by priority, then by arrival, over all `queues`; a call may
        bring fewer than are ready, but not none. With nothing ready it waits up to `timeout`
        seconds of real time, whatever the engine's clock says, for a job or for `wake`. `limit=0`
        only settles, and waits for `wake` if there is a `timeout`. A job that this adapter holds,
        and whose lease ran out, is never handed to it again: its lease is renewed.
        """
        ...

    def touch(self, jobs: Sequence[Job]) -> Sequence[bool | QueueError]:
        """Start the leases of these jobs anew; False = the lease was lost."""
        ...

    def crashes(self, jobs: Sequence[Job]) -> Sequence[int]:
        """Return for each reserved job how many of its runs ended without a word.

        An owner that died, and a lease that ran out, leave no word. RELEASE keeps the count,
        REPLACE and BURY start it anew.
        """
        ...

    def leave(self, jobs: Sequence[Job]) -> None:
        """Say that the runs of these jobs end with this process, which ends right after this call.

        Once it has, others have them, at their own places, and no crash is counted: a job that is
        longer than every deploy's grace must not become a suspect by that. Jobs whose lease is
        lost are left out.
        """
        ...

    def wake(self) -> None:
        """Let a waiting `exchange`, or the next one that would wait, return now; any thread.

        Does nothing to a closed adapter.
        """
        ...

    def close(self) -> None:
        """Give back every job that is held, at once, and let go of the queue; twice is once."""
        ...


class QueueAdmin(Protocol):
    """What an operator asks of a queue; never called from the worker's loop.

    One thread owns it. Every change is on disk when a call returns, where the engine has a disk.
    A job goes on with the guards that it has, whatever a rewritten one says; burying frees the key
    that it holds until it is done, and a kick of it is refused while somebody else holds that.
    """

    def queues(self) -> Sequence[str]:
        """Return the names of the queues that exist, sorted."""
        ...

    def stats(self, queue: str) -> QueueStats:
        """Count the jobs of a queue; zeros for one that does not exist.

        A dead worker's jobs count as ready, also when no worker runs.
        """
        ...

    def list(
        self, queue: str | None = None, state: JobState | None = None, *, limit: int = 100
    ) -> Sequence[ListedJob]:
        """Return jobs, in the order in which they would run; of buried ones it is any order."""
        ...

    def peek(self, ids: Sequence[JobId]) -> Sequence[ListedJob | None]:
        """Look at jobs without touching them; None for an id that nobody has."""
        ...

    def walk(
        self,
        queue: str | None = None,
        state: JobState | None = None,
        *,
        type: str | None = None,
        bodies: bool = True,
    ) -> Iterator[Page]:
        """Look at all jobs, a page at a time, and yield those of a queue, a state, a type.

        A job that stays as it is meanwhile is yielded once. Pages may be empty, and the last one
        says how many jobs were not seen. `type` only spares work: where the engine does not know
        it, jobs of other types come too. So does `bodies=False`: bodies may be empty then, and an
        id that only the body says is the number as text.
        """
        ...

    def newest(self, limit: int = 1_000) -> Sequence[ListedJob]:
        """Return those that still exist of the last jobs that were put, the newest first.

        It looks at about `limit` numbers, so it costs the same in a long queue.
        """
        ...

    def look(self, jobs: Sequence[Sighting]) -> Sequence[ListedJob | None]:
        """Look once more at jobs that were seen, as `peek`; None for one that is gone."""
        ...

    def change(self, changes: Sequence[Change]) -> Sequence[bool | QueueError]:
        """Change jobs that were seen, all in one round trip or one transaction.

        For each, in order: True = done; False = left as it is: it is being run, is gone, or is in
        no state for it; an error = the queue refused the rewritten job, and the old one stays.
        Whoever is killed in the middle of a REPLACE or BURY leaves the old job, the new one, or
        both. Raises `UsageError` before anything is sent.
        """
        ...

    def sample(self) -> Iterator[Sequence[ListedJob]]:
        """Yield every job of every queue, in small pages, some of which may be empty.

        The first pages come from all over, as far as the engine can see to that: whoever stops
        early has a sample. Nothing is held from page to page: a job that moves meanwhile may be
        missed or come twice, one that has been shown may be gone.
        """
        ...

    def ahead(self, job: ListedJob) -> tuple[int, int]:
        """Count the ready jobs that go before a ready one of their queue: at least, and at most.

        The two differ where counting would mean to look at every job.
        """
        ...

    def kick(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Make buried or delayed jobs ready now; False for one that is neither, or not there."""
        ...

    def kick_all(self, queue: str) -> int:
        """Make all buried jobs of a queue ready; return how many."""
        ...

    def delete(self, ids: Sequence[JobId]) -> Sequence[bool]:
        """Delete jobs that are not being run; False for one that is, or is not there."""
        ...

    def edit(self, id: JobId, rewritten: NewJob) -> bool:
        """Put a rewritten job in the place of one that is not being run.

        Whether it is ready or delayed then is said by its own `delay` and `at`; a buried one stays
        buried. False for a job that is being run, or is not there. A rewritten job that is
        refused raises `NotAcceptedError`, and the old one stays.
        """
        ...

    def pause(self, queue: str, seconds: float | None = None) -> None:
        """Let nobody reserve from a queue, for so many seconds or until `resume`."""
        ...

    def resume(self, queue: str) -> None:
        """End a pause; does nothing to a queue that is not paused."""
        ...

    def close(self) -> None:
        """Let go of the queue; twice is once."""
        ...


class Engine(Protocol):
    """A queue by its URL, not connected yet; any thread may ask it for doors."""

    def adapter(self, *, beat: Callable[[], None] = no_beat) -> QueueAdapter:
        """Open a door for one thread that publishes or works.

        `beat` is called again and again while a verb waits for a slow queue: whoever waits for
        that is not frozen.
        """
        ...

    def admin(self) -> QueueAdmin:
        """Open a door for an operator."""
        ...


class Inserting(Protocol):
    """A way into one transaction of the user's own; used by the thread or the loop it is for."""

    @property
    def capabilities(self) -> Capabilities:
        """What the queue can do; connects to nothing."""
        ...

    def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | Existing | QueueError]:
        """Write jobs; its commit accepts them. Raises `WrongTypeError` for an async connection."""
        ...

    async def aput(self, jobs: Sequence[NewJob]) -> Sequence[JobId | Existing | QueueError]:
        """Write jobs likewise; raises `WrongTypeError` for a connection that would block."""
        ...


@runtime_checkable
class Transactional(Protocol):
    """What an engine may be beside its doors: one whose jobs lie in a database of the user's."""

    def within(self, connection: object) -> Inserting:
        """Return a way into a transaction; raises `UsageError` for what is no connection."""
        ...


@runtime_checkable
class Migratable(Protocol):
    """What an engine may be beside its doors: one with tables that somebody makes and renews."""

    def migrate(self, say: Callable[[int], None]) -> tuple[int, int]:
        """Take all steps to the newest version, on a queue in use too; `say` hears of each.

        Returns the version, and how many steps were taken. Raises `QueueUnavailableError`; what
        was taken before stays.
        """
        ...

    def script(self, after: int) -> str:
        """Return the steps behind a version, as text for the engine's own client."""
        ...


@runtime_checkable
class OwnClock(Protocol):
    """What an adapter may be beside: one of a queue whose delays go by a wall clock of its own.

    The worker then looks at the date of a job itself, and puts back what comes before it.
    """

    def kicked(self, jobs: Sequence[Job]) -> Sequence[bool]:
        """Tell which of these reserved jobs an operator has kicked: those run at once.

        Raises `QueueUnavailableError`.
        """
        ...


@runtime_checkable
class Glimpsing(Protocol):
    """What an admin may have beside: one of a queue that cannot be listed, only walked through.

    Where a walk through all jobs takes too long, a part of them is looked at, and the answer says
    whether that was all. `numbers` bounds what the queue is asked; with 0 it is asked for what is
    where it was seen last.
    """

    def glimpse(
        self, queue: str | None, state: JobState | None, *, limit: int, numbers: int
    ) -> tuple[Sequence[ListedJob], bool]:
        """Return up to `limit` jobs, the next ones of the queue among them; True = that is all."""
        ...

    def spot(self, id: JobId, *, numbers: int) -> tuple[ListedJob | None, bool]:
        """Look for a job by its id; True = the answer is certain."""
        ...


@runtime_checkable
class Guarding(Protocol):
    """What an admin may have beside: one of a queue that keeps the guards of jobs."""

    def holders(self, keys: Sequence[str]) -> Sequence[Existing | None]:
        """Return who holds these keys; None for one that is free."""
        ...


@runtime_checkable
class GuardsBeside(Protocol):
    """What an engine may be beside its doors: one whose queue itself knows no guards.

    Then they are facts beside the queue (see `pulpo.holds`), and a worker confirms those of a job
    before each of its runs.
    """

    @property
    def guards_beside(self) -> bool | None:
        """Whether they are kept so; False: nowhere, so they are refused; None: not known here."""
        ...


@runtime_checkable
class WakesUp(Protocol):
    """What an admin may have beside: one that makes jobs ready without waiting for the disk.

    For jobs that come by themselves in the end: a power cut may put one that was woken back to
    sleep.
    """

    def wake_up(self, jobs: Sequence[Sighting]) -> Sequence[bool | QueueError]:
        """Make jobs ready that were seen delayed; the answers are those of `QueueAdmin.change`."""
        ...


@runtime_checkable
class Examinable(Protocol):
    """What an engine may have beside its doors: it can say how its queue is, to `pulpo doctor`."""

    def examine(self, say: Callable[[str], None]) -> Iterator[Finding]:
        """Yield what a look finds, the most basic first; works on a live queue.

        Leaves nothing behind, makes nothing, takes no job that it has not put itself, and ends
        within about 10 s. `say` is called with a line for a person before something that takes
        long. Raises `QueueUnavailableError` where the queue is out of reach.
        """
        ...
