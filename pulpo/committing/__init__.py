"""Publishing once a transaction is committed, and not at all where it is rolled back.

Finds out what was asked and whose transaction it is; each framework has its file here, loaded only
for those who use it. What is published is kept as bytes at the call: a wrong call fails there,
inside the transaction. If the put fails after the commit, that is raised where the commit was asked
for: the transaction stands, the job is not queued. Who can't have that takes `pulpo.contrib.outbox`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pulpo.errors import WrongTypeError
from pulpo.message import Message
from pulpo.publishing import JobRef
from pulpo.registry import JobType
from pulpo.sending import Sender

__all__ = ["message_of", "on_commit"]

_FORMS = "[session, or the alias of a Django database,] then a job function and its arguments"


def on_commit(sender: Sender, call: Sequence[Any], arguments: Mapping[str, Any]) -> JobRef:
    """Publish at the commit what the call asks for; returns its reference to be."""
    if not call:
        raise WrongTypeError(f"on_commit takes {_FORMS}, or a message")
    # Any first argument that is no job says where the transaction is.
    place, asked = (None, call) if _is_job(call[0]) else (call[0], call[1:])
    if place is None or isinstance(place, str):
        message = message_of(asked, arguments)
        from pulpo.committing import django  # noqa: PLC0415  # only who has Django

        return django.publish_at_commit(sender, message, using=place)
    if "sqlalchemy" in sys.modules:
        from pulpo.committing import sqlalchemy  # noqa: PLC0415  # only who has a session of its

        session = sqlalchemy.session_of(place)
        if session is not None:
            message = message_of(asked, arguments)
            return sqlalchemy.publish_at_commit(sender, message, session)
    raise WrongTypeError(f"on_commit takes {_FORMS}, or a message; not {place!r}")


def message_of(asked: Sequence[Any], arguments: Mapping[str, Any]) -> Message:
    """Return the message of a job function and its arguments, or the one that is given itself.

    Raises `WrongTypeError` for arguments that don't fit, and for what is neither.
    """
    if asked and isinstance(asked[0], Message):
        if asked[1:] or arguments:
            raise WrongTypeError("a message has its arguments already")
        return asked[0]
    if not asked or not _is_job(asked[0]):
        what = repr(asked[0]) if asked else "nothing"
        raise WrongTypeError(f"a job function with its arguments, or a message; not {what}")
    made: Message = asked[0].message(*asked[1:], **arguments)
    return made


def _is_job(thing: object) -> bool:
    # Not by its class: that would load wrapt for those who publish messages.
    return isinstance(thing, Message) or isinstance(getattr(thing, "job_type", None), JobType)
