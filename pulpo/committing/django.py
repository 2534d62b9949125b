"""Publishing when Django's transaction commits; outside of one, at once.

Django knows of savepoints and nested blocks. Its thread that commits is the one that publishes.
"""

from __future__ import annotations

from functools import partial

from django.db import transaction

from pulpo.deferring import Kept, keep, publish_kept
from pulpo.errors import QueueError
from pulpo.message import Message
from pulpo.publishing import JobRef
from pulpo.sending import Sender

__all__ = ["publish_at_commit"]


def publish_at_commit(sender: Sender, message: Message, *, using: str | None) -> JobRef:
    """Publish a message when the transaction of a database commits; `using` is its alias."""
    kept = keep(sender, message)
    transaction.on_commit(partial(_publish, sender, kept), using=using)
    return kept.ref


def _publish(sender: Sender, kept: Kept) -> None:
    try:
        publish_kept(sender, [kept])
    except QueueError as error:
        error.add_note(f"the transaction is committed; job {kept.ref.id} is not queued")
        raise
