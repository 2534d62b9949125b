"""Job types: which code runs which type, and by which rules.

Knows no queue and no worker. Names are looked up, never imported: nothing that a message says
decides which module is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from pulpo.envelope import DEFAULT_QUEUE, DEFAULT_TTR, Envelope
from pulpo.errors import DuplicateJobTypeError, UnknownJobTypeError, UsageError
from pulpo.identity import NORMAL
from pulpo.message import Message
from pulpo.periodic.timing import Timing
from pulpo.retry import RetryPolicy
from pulpo.spelling import closest
from pulpo.unique import Unique

if TYPE_CHECKING:
    from pulpo.limit import Limit

__all__ = ["Bind", "Bindable", "JobType", "Named", "Registry", "named_body"]


_RULES = frozenset({"backoff", "retries", "timeout"})


class Bindable(Protocol):
    """What a handler is given its work from: a `pulpo.run.Run`."""

    @property
    def envelope(self) -> Envelope:
        """Headers and body of the job."""
        ...

    def message(self) -> Message:
        """Return what was published."""
        ...


Bind: TypeAlias = Callable[[Bindable], Callable[[], object]]
Named: TypeAlias = Callable[[object], Mapping[str, object]]


def named_body(body: object) -> Mapping[str, object]:
    """Return the values in a body by their names, where it is a map."""
    return body if isinstance(body, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobType:
    """One type of job.

    `bind` takes a run and returns the call that does the work; it raises `WrongTypeError` where
    the body does not fit the handler's signature. The call returns a coroutine where `is_async`.
    `source` says where the code is. `timeout`, `ttr` and `expires` are seconds. `limit` holds over
    all workers, `slots` is how many run at once in one process; `named` returns the values in a
    body by their names, by which a limit may go. `timing` says
    when it is published by itself.
    """

    type: str
    bind: Bind
    is_async: bool = False
    source: str = ""
    aliases: tuple[str, ...] = ()
    queue: str = DEFAULT_QUEUE
    priority: int = NORMAL
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    timeout: float = 600.0
    ttr: float = DEFAULT_TTR
    expires: float | None = None
    unique: Unique | None = None
    limit: Limit | None = None
    slots: int | None = None
    named: Named = named_body
    timing: Timing | None = None

    def for_job(self, headers: Mapping[str, object]) -> JobType:
        """Return this type by the rules that one job carries in its headers, if it does."""
        if _RULES.isdisjoint(headers):
            return self
        said: Any = headers  # checked when they were decoded
        policy = replace(
            self.policy,
            retries=said.get("retries", self.policy.retries),
            backoff=said.get("backoff", self.policy.backoff),
        )
        return replace(self, timeout=said.get("timeout", self.timeout), policy=policy)


class Registry:
    """The job types that this process knows; filled at import, read by any thread."""

    def __init__(self) -> None:
        self._types: dict[str, JobType] = {}
        self._names: dict[str, JobType] = {}
        #: Returns the job type of this name or alias; None if nobody knows it. Asked at each
        #: publish, hence no method around it.
        self.find: Callable[[str], JobType | None] = self._names.get

    def add(self, job_type: JobType) -> JobType:
        """Add a job type under its name and its aliases.

        The same code registered again replaces itself (a module imported twice); other code under
        a known name raises `DuplicateJobTypeError`.
        """
        for name in (job_type.type, *job_type.aliases):
            other = self._names.get(name)
            if other is not None and (other.source, other.type) != (job_type.source, job_type.type):
                raise DuplicateJobTypeError(
                    f"job type {name!r} is taken by {other.source}; {job_type.source} needs another"
                )
        if job_type.limit is not None and job_type.limit.name is not None:
            self._check_shared(job_type, job_type.limit)
        before = self._types.get(job_type.type)
        for name in before.aliases if before else ():
            del self._names[name]
        self._types[job_type.type] = job_type
        for name in (job_type.type, *job_type.aliases):
            self._names[name] = job_type
        return job_type

    def remove(self, job_type: JobType) -> None:
        """Forget a job type, its aliases too; for those that end with a test."""
        del self._types[job_type.type]
        for name in (job_type.type, *job_type.aliases):
            del self._names[name]

    def _check_shared(self, job_type: JobType, limit: Limit) -> None:
        for other in self._types.values():
            if other.limit is None or other.type == job_type.type:
                continue
            if other.limit.name == limit.name and other.limit != limit:
                raise UsageError(
                    f"limit {limit.name!r} is {other.limit!r} for {other.type!r} and {limit!r} for "
                    f"{job_type.type!r}; types that share a limit say the same"
                )

    def __getitem__(self, name: str) -> JobType:
        found = self._names.get(name)
        if found is None:
            close = closest(name, self._names)
            known = ", ".join(sorted(self._types)) or "none"
            hint = f"did you mean {close!r}?" if close else f"known types: {known}"
            raise UnknownJobTypeError(f"no handler for job type {name!r}; {hint}")
        return found

    def __iter__(self) -> Iterator[JobType]:
        return iter(self._types.values())

    def __len__(self) -> int:
        return len(self._types)

    def queues(self) -> list[str]:
        """Return the queues that the known types wait in, `default` among them, sorted."""
        return sorted({DEFAULT_QUEUE, *(job_type.queue for job_type in self._types.values())})
