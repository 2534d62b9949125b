"""What the pages show, as values: the one place where they learn anything about jobs.

Called in a thread that owns an admin, apart from `overview`, which needs none. What workers tell
beside the queue comes through `pulpo.dashboard.side`. Changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulpo.adapter import Glimpsing, QueueAdmin
from pulpo.codec import Codec
from pulpo.dashboard.alarms import Alarm, alarms
from pulpo.dashboard.counting import Counted
from pulpo.dashboard.filters import MOST_PAGES, PAGE, ListFilter
from pulpo.dashboard.looking import MOST_LOOKED_AT, Look, ahead, few_of_each, find, look, survey
from pulpo.dashboard.side import Minute, Telling, TypeToll, WorkerSeen
from pulpo.dashboard.verbs import counted as by_state
from pulpo.dashboard.verbs import numbers as acted_on
from pulpo.diagnosis import diagnosed
from pulpo.explaining import Explanation
from pulpo.identity import published_at
from pulpo.job import JobState, ListedJob, QueueStats, sum_of
from pulpo.redaction import Redaction
from pulpo.registry import Registry
from pulpo.rivals import rival_of
from pulpo.telling import AskedStacks
from pulpo.telling.limits import SeenLimit
from pulpo.view import ShownJob, show
from pulpo.worker.story import as_line

__all__ = [
    "JobList",
    "JobPage",
    "Overview",
    "QueuePage",
    "Reading",
    "Row",
    "ServerLine",
    "TypeLine",
    "TypesPage",
    "WorkersPage",
]

# Of each state, on the page of a queue.
_FEW = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A job in a list; `published` is in seconds since the epoch, None for a foreign id."""

    job: ShownJob
    error: str
    published: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLine:
    """One of several servers and the sum of what is on it; `why` it is out of reach, if it is."""

    name: str
    standing: str
    total: QueueStats
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All queues. `counted_ago` is in seconds; `queues` is None while the first count runs."""

    queues: Sequence[QueueStats] | None
    counted_ago: float
    total: QueueStats
    alarms: Sequence[Alarm]
    minutes: Sequence[Minute] | None
    workers: Sequence[WorkerSeen] | None
    failed: Sequence[Row]
    servers: Sequence[ServerLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePage:
    """One queue, and its first jobs of each state; all of them where nothing is counted yet."""

    stats: QueueStats
    is_counted: bool
    minutes: Sequence[Minute] | None
    serving: Sequence[WorkerSeen] | None
    rows: Mapping[str, Sequence[Row]]
    sampled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList:
    """The jobs that a filter shows, one page of them.

    `matching` is how many match among the `looked` at; `all` = there are no more to look at.
    `acts` says to how many of all jobs that match each act does something; None where nobody knows
    without counting them.
    """

    filter: ListFilter
    rows: Sequence[Row]
    matching: int
    acts: Mapping[str, int] | None
    looked: int
    all: bool
    sampled: bool
    has_next: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """One job."""

    job: ShownJob
    why: Explanation
    ttr: float
    crashes: int | None
    published: float | None
    now: float
    expires: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeLine:
    """One job type: who knows it, how many of its jobs were seen in which state."""

    type: str
    source: str
    queue: str
    seen: Mapping[str, int]
    toll: TypeToll | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypesPage:
    """The types that are known here or have jobs; `all` = every job was looked at."""

    types: Sequence[TypeLine]
    all: bool
    looked: int
    knows_code: bool
    limits: Sequence[SeenLimit] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersPage:
    """Who works; None where that is not known. `asked` has their stacks by their ids."""

    workers: Sequence[WorkerSeen] | None
    knows_all: bool
    asked: Mapping[str, AskedStacks]


class Reading:
    """Reads for pages; `keys` is the codec whose signing keys a worker here would ask for."""

    def __init__(
        self, *, keys: Codec, registry: Registry, told: Telling, hidden: Redaction
    ) -> None:
        self._keys = keys
        self._hidden = hidden
        self._registry = registry
        self.told = told

    def overview(self, admin: QueueAdmin, counted: Counted | None, monotonic: float) -> Overview:
        """Return the start page; where nothing was counted yet, what is known without it."""
        queues = None if counted is None else counted.queues
        workers = self.told.workers()
        buried = Look(jobs=(), all=True)
        if counted is not None and any(found.buried for found in counted.queues):
            buried = look(admin, None, JobState.BURIED, limit=5)
        return Overview(
            queues=queues,
            counted_ago=0.0 if counted is None else max(monotonic - counted.at, 0.0),
            total=QueueStats(queue="") if counted is None else counted.total(),
            alarms=alarms(queues or (), workers, knows_all=self.told.knows_all),
            minutes=self.told.minutes(),
            workers=workers,
            failed=self._rows(buried.jobs),
            servers=_server_lines(counted),
        )

    def queue(self, admin: QueueAdmin, name: str, counted: Counted | None) -> QueuePage:
        """Return the page of a queue; zeros for one that is not there."""
        stats = QueueStats(queue=name) if counted is None else counted.of(name)
        states = [each for each in JobState if counted is None or getattr(stats, each.value)]
        found = few_of_each(admin, name, states, limit=_FEW)
        workers = self.told.workers()
        serving = None if workers is None else [w for w in workers if name in w.queues]
        return QueuePage(
            stats=stats,
            is_counted=counted is not None,
            minutes=self.told.minutes(name),
            serving=serving,
            rows={each.state.value: self._rows(each.look.jobs) for each in found},
            sampled=any(each.look.sampled for each in found),
        )

    def jobs(
        self, admin: QueueAdmin, shown: ListFilter, counted: Counted | None, now: float
    ) -> JobList:
        """Return one page of the jobs that match; `now` in seconds since the epoch."""
        if counted is None or shown.wanted.looks_inside:
            return self._searched(admin, shown, now)
        wanted, first = shown.wanted, (shown.page - 1) * PAGE
        limit = MOST_LOOKED_AT if isinstance(admin, Glimpsing) else first + PAGE
        found = look(admin, wanted.queue, wanted.state, limit=limit)
        numbers = by_state(counted.of(wanted.queue) if wanted.queue else counted.total())
        # The count may be a little older than the list.
        count = sum(numbers[each] for each in JobState if wanted.state in (None, each))
        has_more = len(found.jobs) > first + PAGE or not (found.all or found.sampled)
        return JobList(
            filter=shown,
            rows=self._rows(found.jobs[first : first + PAGE]),
            matching=max(count, len(found.jobs)),
            acts=acted_on(numbers, wanted.state),
            looked=max(count, len(found.jobs)),
            all=True,
            sampled=found.sampled,
            has_next=has_more and shown.page < MOST_PAGES,
        )

    def _searched(self, admin: QueueAdmin, shown: ListFilter, now: float) -> JobList:
        wanted, first = shown.wanted, (shown.page - 1) * PAGE
        found = survey(admin, wanted.queue, wanted.state)
        fits = found.jobs
        if wanted.looks_inside:
            fits = [job for job in fits if wanted.matches(show(job, self._keys), now=now)]
        numbers = Counter(job.state for job in fits)
        return JobList(
            filter=shown,
            rows=self._rows(fits[first : first + PAGE]),
            matching=len(fits),
            acts=acted_on(numbers, wanted.state) if found.all else None,
            looked=len(found.jobs),
            all=found.all,
            sampled=found.sampled,
            has_next=len(fits) > first + PAGE and shown.page < MOST_PAGES,
        )

    def job(
        self, admin: QueueAdmin, id: str, counted: Counted | None, now: float
    ) -> tuple[JobPage | None, bool]:
        """Return one job, and whether all jobs were asked; `now` in seconds since the epoch."""
        found, complete = find(admin, id)
        if found is None:
            return None, complete
        shown = self._hidden.job(show(found, self._keys))
        stats = None if counted is None else counted.of(found.queue)
        page = JobPage(
            job=shown,
            why=diagnosed(
                found,
                self._keys,
                self.told.of(found.queue, now=now),
                now=now,
                stats=stats,
                ahead=ahead(admin, found, stats),
                hidden=self._hidden,
                rival=rival_of(found, admin),
            ),
            ttr=found.ttr,
            crashes=found.crashes,
            published=published_at(found.id),
            now=now,
            expires=shown.expires,
        )
        return page, True

    def workers(self) -> WorkersPage:
        """Return who works, and the stacks that somebody has asked them for."""
        workers = self.told.workers()
        asked = self.told.stacks([worker.id for worker in workers if worker.id]) if workers else {}
        return WorkersPage(workers=workers, knows_all=self.told.knows_all, asked=asked)

    def known_types(self) -> Sequence[str]:
        """Return the job types that this code knows, sorted; asks nobody."""
        return sorted(job_type.type for job_type in self._registry)

    def types(self, admin: QueueAdmin) -> TypesPage:
        """Return what types there are, by the code that is known here and by a look at jobs."""
        seen: dict[str, Counter[str]] = {}
        found = survey(admin, None, None)
        for job in found.jobs:
            name = show(job, self._keys).type or "?"
            seen.setdefault(name, Counter())[job.state.value] += 1
        known = {job_type.type: job_type for job_type in self._registry}
        tolls = {toll.type: toll for toll in self.told.types() or ()}
        lines = [
            TypeLine(
                type=name,
                source=known[name].source if name in known else "",
                queue=known[name].queue if name in known else "",
                seen=seen.get(name, {}),
                toll=tolls.get(name),
            )
            for name in sorted({*seen, *known, *tolls})
        ]
        return TypesPage(
            types=lines,
            all=found.all,
            looked=len(found.jobs),
            knows_code=bool(known),
            limits=self.told.limits(),
        )

    def _rows(self, jobs: Sequence[ListedJob]) -> list[Row]:
        return [_row(self._hidden.job(show(job, self._keys))) for job in jobs]


def _row(job: ShownJob) -> Row:
    error = job.problem or (as_line(job.error) if job.error else "")
    return Row(job=job, error=error, published=published_at(job.id))


def _server_lines(counted: Counted | None) -> list[ServerLine]:
    looks = () if counted is None else counted.servers
    return [
        ServerLine(
            name=look.name,
            standing=look.standing,
            total=sum_of(look.name, look.queues),
            why=look.why,
        )
        for look in looks
    ]
