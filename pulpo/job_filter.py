"""Which jobs an operator means: by queue, state, type, error, age, and what is in the body.

A value and a pure decision, the same for the command line and for every other seat of an operator.
Knows no engine: what an engine can narrow by itself, it takes from the fields.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pulpo.body_path import BodyPath
from pulpo.errors import UsageError
from pulpo.job import JobState
from pulpo.pattern import is_like
from pulpo.view import ShownJob, as_json

__all__ = ["JobFilter", "Where"]


@dataclass(frozen=True, slots=True)
class Where:
    """One condition on the body: at this place stands this value, one that JSON has."""

    path: BodyPath
    value: object

    @classmethod
    def parse(cls, text: str) -> Where:
        """Read `body.user_id=7`: what stands behind the sign is JSON where it parses, else text.

        Raises `UsageError`.
        """
        place, equals, value = text.partition("=")
        if not equals or not place:
            raise UsageError(f"a condition must be like 'body.user_id=7': {text!r}")
        if place != "body" and not place.startswith(("body.", "body[")):
            raise UsageError(f"a condition is about the body, like 'body.user_id=7': {text!r}")
        return cls(BodyPath.parse(place), json_or_text(value))

    def holds(self, body: object) -> bool:
        """Tell whether a body has this value at this place."""
        try:
            found = as_json(self.path.value(body))
        except LookupError:
            return False
        return _same(found, self.value)


def json_or_text(text: str) -> object:
    """Return what a text says as JSON; the text itself where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _same(one: object, other: object) -> bool:
    # In Python 1 == True, in JSON they are different things.
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """What a job must be like; what is None or empty asks for nothing.

    `type` is a whole name, in which `*` stands for any text; `error` a text within any of its
    errors or what is wrong with it, in capitals or not. `older` and `newer` are seconds since the
    job was accepted, by its id or as the engine knows it.
    """

    queue: str | None = None
    state: JobState | None = None
    type: str | None = None
    error: str | None = None
    older: float | None = None
    newer: float | None = None
    where: tuple[Where, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether every job fits."""
        return self == JobFilter()

    @property
    def looks_inside(self) -> bool:
        """Whether more is asked than the queue and the state, which every engine knows."""
        return self != JobFilter(queue=self.queue, state=self.state)

    @property
    def one_type(self) -> str | None:
        """The only type that fits, where there is one: an engine may know where its jobs are."""
        return None if self.type is None or "*" in self.type else self.type

    def matches(self, job: ShownJob, *, now: float) -> bool:
        """Tell whether a job fits; `now` is the wall clock's second.

        A job of which nobody knows when it was accepted is neither older nor newer.
        """
        return (
            self.queue in (None, job.queue)
            and (self.state is None or self.state.value == job.state)
            and self._fits_type(job)
            and self._fits_age(job, now)
            and self._fits_error(job)
            and all(where.holds(job.body) for where in self.where)
        )

    def _fits_type(self, job: ShownJob) -> bool:
        return self.type is None or (job.type is not None and is_like(job.type, self.type))

    def _fits_age(self, job: ShownJob, now: float) -> bool:
        if self.older is None and self.newer is None:
            return True
        age = job.age if job.accepted is None else now - job.accepted
        if age is None:
            return False
        return (self.older is None or age >= self.older) and (
            self.newer is None or age <= self.newer
        )

    def _fits_error(self, job: ShownJob) -> bool:
        if self.error is None:
            return True
        wanted = self.error.casefold()
        told = (job.error, job.problem, *job.earlier)
        return any(wanted in text.casefold() for text in told if text)
