"""Accepting jobs that hold keys, or naming who holds them: what is asked, and what follows from it.

In steps, so that a connection of ours and any of a user's own go the same way. Knows neither.
Plain jobs never come here.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

from pulpo.adapters.postgresql.looking import SEEN, shown
from pulpo.adapters.postgresql.rows import array, columns, scalars, too_big
from pulpo.errors import QueueError
from pulpo.job import Existing, Guard, JobId, NewJob

__all__ = ["MOST_AT_ONCE", "Answer", "Ask", "Steps", "accepting", "has_guards"]

#: Each key is a lock until the transaction ends, and a server has some thousand locks.
MOST_AT_ONCE = 500

Answer = JobId | Existing | QueueError

_HOLDS = {"done": 1, "started": 2}
# Numbers as text first: some drivers would want a list of them for an array.
_TEXTS = "CAST({{{0}}} AS text[])"
_NUMBERS = "CAST(CAST({{{0}}} AS text) AS {1})"
_ACCEPTED = {
    "told": "CAST({told} AS float8)",
    "is_within": "CAST({is_within} AS boolean)",
    **{name: _TEXTS.format(name) for name in ("ids", "types", "queues")},
    "priorities": _NUMBERS.format("priorities", "bigint[]"),
    **{name: _NUMBERS.format(name, "float8[]") for name in ("delays", "ats", "ttrs", "expires")},
    "bodies": "CAST({bodies} AS bytea[])",
    "of": _NUMBERS.format("of", "integer[]"),
    "keys": _TEXTS.format("keys"),
    "holds": _NUMBERS.format("holds", "integer[]"),
    "lasts": _NUMBERS.format("lasts", "float8[]"),
    "becomes": _NUMBERS.format("becomes", "boolean[]"),
}
_ACCEPT = f"SELECT place, holder, its_queue, met FROM @.accept_1({', '.join(_ACCEPTED.values())})"
_SEE = f"""
SELECT {SEEN}, now FROM @.jobs, @.now_1(CAST({{told}} AS float8)) AS now
WHERE id = CAST({{id}} AS text) AND state IN (0, 1) FOR UPDATE OF jobs
"""
_BECOMES = {
    "told": "float8",
    "is_within": "boolean",
    **dict.fromkeys(("id", "type", "queue"), "text"),
    "priority": "bigint",
    **dict.fromkeys(("delay", "at", "ttr", "expires"), "float8"),
    "body": "bytea",
}
_CASTS = [f"CAST({{{name}}} AS {kind})" for name, kind in _BECOMES.items()]
_BECOME = f"SELECT @.become_1({', '.join(_CASTS)})".replace(
    "{priority}", "CAST({priority} AS text)"
)


class Ask(NamedTuple):
    """One statement, its parameters as `{name}`; `@` stands for the schema."""

    statement: str
    names: tuple[str, ...]
    values: tuple[object, ...]

    def text(self, schema: str, named: str = "%s") -> str:
        """Return it as a driver takes it; `named` may show a parameter by its `{name}`."""
        shown_as = {name: named.format(name=name) for name in self.names}
        return self.statement.replace("@", schema).format(**shown_as)


Steps = Generator[Ask, Sequence[Sequence[Any]], list[Answer]]


def has_guards(jobs: Sequence[NewJob]) -> bool:
    """Tell whether any of these jobs is to hold a key."""
    return any(job.guards for job in jobs)


def accepting(
    jobs: Sequence[NewJob], *, told: float | None, is_within: bool, max_body: int
) -> Steps:
    """Ask until all jobs are accepted or answered otherwise; none of them is too large.

    All statements belong into one transaction, where a guard has an `instead`.
    """
    answers: list[Answer] = [job.id for job in jobs]
    start: int | None = 0
    while start is not None and start < len(jobs):
        rest = jobs[start:]
        owners, guards = _guards(rest)
        told_what = (*columns(rest), *_guard_columns(owners, guards))
        rows = yield Ask(_ACCEPT, tuple(_ACCEPTED), (told, is_within, *told_what))
        offset, start = start, None
        for place, holder, queue, met in rows:
            at = offset + place - 1
            answers[at] = Existing(holder, queue)
            if met is not None:
                meeting = _Meeting(guards[met - 1], Existing(holder, queue), told, is_within)
                answers[at] = yield from meeting.steps(max_body)
                start = at + 1
    return answers


class _Meeting(NamedTuple):
    """A job that has met a holder which waits, and is to become another one."""

    guard: Guard
    holder: Existing
    told: float | None
    is_within: bool

    def steps(self, max_body: int) -> Generator[Ask, Sequence[Sequence[Any]], Answer]:
        found = yield Ask(_SEE, ("told", "id"), (self.told, self.holder.id))
        if not found or self.guard.instead is None:
            return self.holder  # its run has begun meanwhile
        (*seen, body, now) = found[0]
        # Some drivers have a view of the bytes.
        job = self.guard.instead(shown((*seen, bytes(body)), now, ()))
        if refusal := too_big(job, max_body):
            return refusal
        yield Ask(_BECOME, tuple(_BECOMES), (self.told, self.is_within, *scalars(job)))
        return Existing(job.id, job.queue)


def _guards(jobs: Sequence[NewJob]) -> tuple[list[int], list[Guard]]:
    """Return all guards one after the other, and the place of each one's job, from 1."""
    pairs = [(place, guard) for place, job in enumerate(jobs, 1) for guard in job.guards]
    return [place for place, _ in pairs], [guard for _, guard in pairs]


def _guard_columns(owners: Sequence[int], guards: Sequence[Guard]) -> tuple[object, ...]:
    untils = [guard.until for guard in guards]
    becomes = ",".join("f" if guard.instead is None else "t" for guard in guards)
    return (
        array(owners),
        [guard.key for guard in guards],
        array(_HOLDS[until] if isinstance(until, str) else 0 for until in untils),
        array(None if isinstance(until, str) else until for until in untils),
        f"{{{becomes}}}",
    )
