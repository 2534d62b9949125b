"""A reminder, sent at its time if the appointment is still what it was.

A scheduled job cannot know what happens meanwhile: it looks when it runs. The mail is a file named
after appointment and time, so nobody is reminded twice of the same thing.
"""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage

import pulpo
from examples.reminders import calendar


@pulpo.job(type="reminders.remind", queue="reminders")
def remind(uid: str, start: datetime) -> pulpo.Cancel | None:
    """Remind of the appointment `uid` that starts at `start`."""
    event = calendar.load().get(uid)
    if event is None or event.status == "CANCELLED":
        return pulpo.Cancel(f"appointment {uid} was called off")
    if event.start != start:
        return pulpo.Cancel(f"appointment {uid} was moved; it has another reminder")
    mail = EmailMessage()
    mail["From"], mail["To"] = "practice@example.com", event.attendee
    mail["Subject"] = f"{event.start:%H:%M} UTC: {event.summary}"
    mail.set_content(f"{event.summary}, {event.start:%A %d %B, %H:%M} UTC. See you then!\n")
    outbox = calendar.OUT / "outbox"
    outbox.mkdir(exist_ok=True)
    (outbox / f"{uid}-{start:%Y%m%dT%H%M%S}.eml").write_bytes(bytes(mail))
    return None
