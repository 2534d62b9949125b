"""Publishing when a session of SQLAlchemy commits: all of a transaction's messages in one batch.

A message belongs to the innermost transaction that was open when it was kept. A savepoint that is
released hands its messages on to the one around it, one that is rolled back takes them with it.
They go out when the outermost transaction has ended and its connections are back in their pool, so
that a put that fails leaves the session as any commit does. A session belongs to one thread or task
at a time.
"""

from __future__ import annotations

from itertools import groupby

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, SessionTransaction, scoped_session
from sqlalchemy.util.concurrency import await_only, in_greenlet

from pulpo.deferring import (
    Kept,
    acheck_kept,
    apublish_kept,
    check_kept,
    keep,
    publish_kept,
)
from pulpo.errors import QueueError
from pulpo.message import Message
from pulpo.publishing import JobRef
from pulpo.sending import Sender

__all__ = ["publish_at_commit", "session_of"]

_KEY = "pulpo.on_commit"


def session_of(thing: object) -> Session | AsyncSession | None:
    """Return the session that a session or a registry of sessions is; None for anything else."""
    if isinstance(thing, scoped_session | async_scoped_session):
        thing = thing()
    return thing if isinstance(thing, Session | AsyncSession) else None


def publish_at_commit(sender: Sender, message: Message, session: Session | AsyncSession) -> JobRef:
    """Publish a message when a session commits; begins a transaction where there is none.

    For an `AsyncSession` the size of the job is compared with what the queue takes right before
    the commit, where that can be waited for; if it is too big, the commit fails.
    """
    is_async = isinstance(session, AsyncSession)
    inner = session.sync_session if isinstance(session, AsyncSession) else session
    kept = keep(sender, message, asks_queue=not is_async)
    waiting = inner.info.get(_KEY)
    if waiting is None:
        waiting = inner.info[_KEY] = _Waiting(inner)
    waiting.add(inner, sender, kept, sized=not is_async)
    return kept.ref


class _Waiting:
    """What one session is going to publish."""

    def __init__(self, session: Session) -> None:
        self._messages: list[tuple[SessionTransaction, Sender, Kept]] = []
        self._unsized: list[Kept] = []
        self._committed: SessionTransaction | None = None
        event.listen(session, "before_commit", self._check_sizes)
        event.listen(session, "after_commit", self._note_commit)
        event.listen(session, "after_transaction_end", self._end)

    def add(self, session: Session, sender: Sender, kept: Kept, *, sized: bool) -> None:
        """Keep a message for the innermost transaction."""
        self._messages.append((_innermost(session) or session.begin(), sender, kept))
        if not sized:
            self._unsized.append(kept)

    def _check_sizes(self, _: Session) -> None:
        unsized, self._unsized = self._unsized, []
        alive = [(sender, kept) for _, sender, kept in self._messages if kept in unsized]
        for sender, kept in alive:
            if in_greenlet():
                await_only(acheck_kept(sender, kept))
            else:
                check_kept(sender, kept)

    def _note_commit(self, session: Session) -> None:
        self._committed = _innermost(session)

    def _end(self, session: Session, ended: SessionTransaction) -> None:
        """Hand on, publish or drop what belonged to a transaction; a flush has one of its own."""
        is_committed = ended is self._committed
        own = [entry for entry in self._messages if entry[0] is ended]
        if not own:
            return
        around = _innermost(session)
        if is_committed and around is not None:
            self._messages = [
                (around, *entry[1:]) if entry[0] is ended else entry for entry in self._messages
            ]
            return
        self._messages = [entry for entry in self._messages if entry[0] is not ended]
        if is_committed:
            _publish([(sender, kept) for _, sender, kept in own])


def _innermost(session: Session) -> SessionTransaction | None:
    return session.get_nested_transaction() or session.get_transaction()


def _publish(messages: list[tuple[Sender, Kept]]) -> None:
    for sender, entries in groupby(messages, key=lambda entry: entry[0]):
        batch = [kept for _, kept in entries]
        try:
            if in_greenlet():
                await_only(apublish_kept(sender, batch))
            else:
                publish_kept(sender, batch)
        except QueueError as error:
            ids = ", ".join(kept.ref.id for kept in batch)
            error.add_note(f"the transaction is committed; of these jobs not all are queued: {ids}")
            raise
