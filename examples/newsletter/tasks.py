"""The mail to a new reader, as a file; a second run finds that it was written and does nothing."""

from __future__ import annotations

from email.message import EmailMessage

import pulpo
from examples.newsletter.people import OUT, Reader, Session


@pulpo.job(type="newsletter.greet", queue="newsletter")
def greet(reader_id: int) -> None:
    """Write the mail; the row is there, since this runs after its commit."""
    with Session.begin() as session:
        reader = session.get_one(Reader, reader_id)
        if reader.greeted:
            return
        mail = EmailMessage()
        mail["To"] = reader.email
        mail["Subject"] = "Welcome"
        mail.set_content("Good that you read us.")
        target = OUT / "outbox" / f"{reader_id}.eml"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(bytes(mail))
        reader.greeted = True
