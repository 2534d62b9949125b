"""Jobs for the tests of the spool."""

from __future__ import annotations

from typing import Any

from pulpo.identity import new_id
from pulpo.job import NewJob


def job(**fields: Any) -> NewJob:
    """Return a job that nothing else is like."""
    return NewJob(**{"id": new_id(), "type": "t", "queue": "q", "body": b"x"} | fields)


def is_accepted(answers: object) -> bool:
    """Tell whether every answer is an id."""
    return isinstance(answers, list | tuple) and all(isinstance(answer, str) for answer in answers)
