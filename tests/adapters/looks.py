"""Short words for what a look at a queue has found."""

from __future__ import annotations

from collections.abc import Iterable

from pulpo.adapter import Examinable
from pulpo.checkup import Finding, Level

OK, NOTE, WARNING, FAULT = Level.OK, Level.NOTE, Level.WARNING, Level.FAULT


def look(engine: object) -> dict[str, Finding]:
    """Return what a look finds, by the names of the checks."""
    assert isinstance(engine, Examinable)
    return by_name(engine.examine(lambda text: None))


def by_name(findings: Iterable[Finding]) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for finding in findings:
        assert finding.name not in found, "two checks of one name"
        assert finding.found
        assert finding.why
        assert finding.do or finding.level in (OK, NOTE), "a trouble without a remedy"
        found[finding.name] = finding
    return found


def levels(found: dict[str, Finding], *wanted: Level) -> set[str]:
    """Return the names of the checks on these levels."""
    return {name for name, finding in found.items() if finding.level in wanted}
