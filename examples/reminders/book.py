"""Book appointments and schedule their reminders: `python -m examples.reminders.book`.

An appointment is reminded of a day before.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from examples.reminders import calendar
from examples.reminders.tasks import remind

BEFORE = timedelta(days=1)


def book(event: calendar.Event) -> None:
    """Enter an appointment into the calendar and schedule its reminder."""
    calendar.save({**calendar.load(), event.uid: event})
    ref = remind.schedule_at(event.start - BEFORE, event.uid, event.start)
    print(f"{event.summary}: reminder {event.start - BEFORE:%d %b %H:%M:%S} UTC, job {ref.id}")


def main() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    calendar.save({})
    for uid, ahead, summary, attendee in (
        ("checkup", BEFORE + timedelta(seconds=2), "Check-up", "ada@example.com"),
        ("tooth", BEFORE + timedelta(seconds=2), "Tooth 26", "nemo@example.com"),
        ("eyes", BEFORE + timedelta(seconds=1), "Eye test", "grace@example.com"),
        ("vaccine", timedelta(days=30), "Vaccination", "sylvia@example.com"),
    ):
        book(calendar.Event(uid=uid, start=now + ahead, summary=summary, attendee=attendee))
    events = calendar.load()
    calendar.save({**events, "tooth": replace(events["tooth"], status="CANCELLED")})
    print("Tooth 26 is called off.")
    book(replace(events["eyes"], start=events["eyes"].start + timedelta(seconds=2)))


if __name__ == "__main__":
    main()
