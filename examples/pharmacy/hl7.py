"""A pharmacy order as hospitals send it: the few segments of HL7 v2 that a check needs.

Pure. Lines are segments, `|` parts their fields, `^` the components of a field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


class BadOrder(ValueError):
    """The order cannot be understood; sending it again changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MedicationOrder:
    """A pending order; `ends` is when it is over and needs no check any more."""

    number: str
    patient: str
    drug: str
    stat: bool
    ends: datetime | None
    allergies: Sequence[str]


def parse(text: str) -> MedicationOrder:
    """Read an RDE^O11 message; `BadOrder` names the field that is missing or wrong."""
    segments = [line.split("|") for line in text.replace("\r", "\n").splitlines() if line.strip()]
    if not segments or segments[0][0] != "MSH":
        raise BadOrder(f"not an HL7 message: {text[:40]!r}")
    return MedicationOrder(
        number=_field(segments, "ORC", 2),
        patient=_field(segments, "PID", 3),
        drug=_field(segments, "RXE", 2),
        stat=_field(segments, "TQ1", 9, default="R") == "S",
        ends=_moment(_field(segments, "TQ1", 8, default="")),
        allergies=[_component(line, 3) for line in segments if line[0] == "AL1"],
    )


def _field(
    segments: Sequence[Sequence[str]], name: str, number: int, default: str | None = None
) -> str:
    found = next((_component(line, number) for line in segments if line[0] == name), "")
    if not found and default is None:
        raise BadOrder(f"field {name}-{number} is missing")
    return found or default or ""


def _component(fields: Sequence[str], number: int) -> str:
    return fields[number].split("^")[0].strip() if number < len(fields) else ""


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%d%H%M").replace(tzinfo=UTC) if text else None
    except ValueError:
        raise BadOrder(f"field TQ1-8 is no time: {text!r}") from None
