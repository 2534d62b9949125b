"""A calendar in iCalendar's format: its events, read again whenever somebody asks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "reminders")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An appointment; `status` is CONFIRMED or CANCELLED."""

    uid: str
    start: datetime
    summary: str
    attendee: str
    status: str = "CONFIRMED"


def load() -> dict[str, Event]:
    """Return the events of `calendar.ics` by their UID."""
    events, fields = {}, dict[str, str]()
    for line in (OUT / "calendar.ics").read_text().splitlines():
        name, _, value = line.partition(":")
        if line == "END:VEVENT":
            event = Event(
                uid=fields["UID"],
                start=datetime.strptime(fields["DTSTART"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC),
                summary=fields["SUMMARY"],
                attendee=fields["ATTENDEE"].removeprefix("mailto:"),
                status=fields.get("STATUS", "CONFIRMED"),
            )
            events[event.uid] = event
        fields = {} if line == "BEGIN:VEVENT" else {**fields, name: value}
    return events


def save(events: dict[str, Event]) -> None:
    """Write the calendar, whole or not at all."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for event in events.values():
        lines += [
            "BEGIN:VEVENT",
            f"UID:{event.uid}",
            f"DTSTART:{event.start:%Y%m%dT%H%M%SZ}",
            f"SUMMARY:{event.summary}",
            f"ATTENDEE:mailto:{event.attendee}",
            f"STATUS:{event.status}",
            "END:VEVENT",
        ]
    OUT.mkdir(parents=True, exist_ok=True)
    part = OUT / "calendar.part"
    part.write_text("\n".join([*lines, "END:VCALENDAR", ""]))
    part.replace(OUT / "calendar.ics")
