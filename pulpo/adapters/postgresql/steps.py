"""The numbered steps from an empty schema to the newest one.

The n-th step makes version n out of version n - 1. A step is never changed once it was released: a
new version is a new step at the end. Steps only add, since old workers go on while new ones start,
and none keeps a running queue waiting: what takes long on a full table (an index) is built
CONCURRENTLY, in a step that is no transaction. Pure: knows no connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pulpo.adapters.postgresql.admin_functions import ADMIN_FUNCTIONS
from pulpo.adapters.postgresql.functions import FUNCTIONS
from pulpo.adapters.postgresql.guard_functions import (
    GUARD_COLUMNS,
    GUARD_FUNCTIONS,
    GUARD_INDEX,
)
from pulpo.adapters.postgresql.side_functions import SIDE_FUNCTIONS
from pulpo.adapters.postgresql.tables import TABLES
from pulpo.errors import UsageError

__all__ = ["STEPS", "Step", "as_script", "in_a_new_schema", "statements"]


@dataclass(frozen=True, slots=True)
class Step:
    """Statements that go together; `@` in them stands for the schema.

    Those of one that is not `is_atomic` can each be run again after a step that was cut short.
    """

    statements: tuple[str, ...]
    is_atomic: bool = True


STEPS: tuple[Step, ...] = (
    Step((*TABLES, *FUNCTIONS, *SIDE_FUNCTIONS)),
    Step((GUARD_COLUMNS, *GUARD_FUNCTIONS, *ADMIN_FUNCTIONS)),
    Step(GUARD_INDEX, is_atomic=False),
)

_VERSIONS = """
CREATE TABLE IF NOT EXISTS @.versions (
    version integer PRIMARY KEY, since timestamptz NOT NULL DEFAULT now()
)
"""
_REACHED = "INSERT INTO @.versions (version) VALUES ({version})"


def in_a_new_schema(step: Step) -> Step:
    """Return a step as it is taken where there are no jobs yet: nobody has to be let by.

    An index that is built CONCURRENTLY waits for every old transaction of the database.
    """
    return Step(tuple(text.replace(" CONCURRENTLY", "") for text in step.statements))


def statements(schema: str, version: int, step: Step) -> Iterator[str]:
    """Yield what brings a schema to one version, from the one before."""
    if version == 1:
        yield f"CREATE SCHEMA IF NOT EXISTS {schema}"
        yield _of(schema, _VERSIONS)
    for statement in step.statements:
        yield _of(schema, statement)
    yield _of(schema, _REACHED.format(version=version))


def as_script(schema: str, steps: Sequence[Step] = STEPS, *, after: int = 0) -> str:
    """Return all that has to be done as text for psql; raises `UsageError` for no version."""
    if not 0 <= after <= len(steps):
        raise UsageError(f"there is no version {after}, only 0 to {len(steps)}")
    lines = [f"-- pulpo: schema {schema}, from version {after} to {len(steps)}"]
    for version, asked in enumerate(steps[after:], after + 1):
        step = asked if after else in_a_new_schema(asked)
        lines += ["", f"-- version {version}", *(["BEGIN;"] if step.is_atomic else [])]
        lines += [f"{text.strip()};" for text in statements(schema, version, step)]
        lines += ["COMMIT;"] if step.is_atomic else []
    return "\n".join(lines) + "\n"


def _of(schema: str, statement: str) -> str:
    return statement.replace("@", schema)
