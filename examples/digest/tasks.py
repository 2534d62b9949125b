"""One mail for everything that has gathered, instead of a mail for each thing.

The job marks the notes that it takes with its own id. A second run of the same job finds the same
notes under the same mark and writes the same mail; notes that came later wait for the next one.
"""

from __future__ import annotations

from email.message import EmailMessage

import pulpo
from examples.digest import notes

PATIENCE = "2s"


@pulpo.job(type="digest.send", queue="digest", retries=10, backoff="10s")
def send(recipient: str) -> pulpo.Cancel | None:
    """Write one mail with everything that waits for a recipient."""
    job = pulpo.current_job()
    with notes.transaction() as db:
        db.execute("DELETE FROM promised WHERE recipient = ?", (recipient,))
        db.execute(
            "UPDATE note SET digest = ? WHERE recipient = ? AND digest IS NULL", (job.id, recipient)
        )
        texts = db.execute("SELECT text FROM note WHERE digest = ? ORDER BY id", (job.id,))
        lines = [row[0] for row in texts]
    if not lines:
        return pulpo.Cancel("nothing has gathered")
    mail = EmailMessage()
    mail["From"], mail["To"] = "forum@example.com", recipient
    mail["Subject"] = f"{len(lines)} new comments"
    mail["Message-ID"] = f"<{job.id}@example.com>"
    mail.set_content("\n".join(f"- {line}" for line in lines) + "\n")
    (notes.OUT / "outbox").mkdir(exist_ok=True)
    (notes.OUT / "outbox" / f"{job.id}.eml").write_bytes(bytes(mail))
    return None


def tell(recipient: str, text: str) -> None:
    """Note something down; the first note after a mail promises the next one."""
    with notes.transaction() as db:
        db.execute("INSERT INTO note (recipient, text) VALUES (?, ?)", (recipient, text))
        if db.execute("INSERT OR IGNORE INTO promised VALUES (?)", (recipient,)).rowcount:
            # Inside the transaction: a promise without a job would silence the recipient for ever,
            # a job without a promise finds nothing and cancels itself.
            send.schedule_in(PATIENCE, recipient)
