"""Publishing once a transaction is committed, and not at all where it is rolled back.

Finds out what was asked and whose transaction it is; each framework has its file here, loaded only
for those who use it. What is published is kept as bytes at the call: a wrong call fails there,
inside the transaction. If the put fails after the commit, that is raised where the commit was asked
for: the transaction stands, the job is not queued. Who can't have that takes an outbox.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from pulpo.errors import WrongTypeError
from pulpo.message import Message
from pulpo.publishing import JobRef
from pulpo.registry import JobType
from pulpo.sending import Sender

if TYPE_CHECKING:
    from pulpo.function import JobFunction

__all__ = ["OnCommit", "message_of"]

P = ParamSpec("P")
R = TypeVar("R")

_FORMS = "[session, or the alias of a Django database,] then a job function and its arguments"


class OnCommit:
    """Publish once a transaction is committed; never, where it is rolled back.

    `session` is SQLAlchemy's, or the alias of a Django database; without one it is Django's default
    database. All that can be wrong with the call is raised at once. What `publish` raises after the
    commit comes out of the commit: then the transaction stands, and the job is not queued.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    @overload
    def __call__(self, job: JobFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> JobRef: ...

    @overload
    def __call__(self, message: Message, /) -> JobRef: ...

    @overload
    def __call__(
        self, session: object, job: JobFunction[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> JobRef: ...

    @overload
    def __call__(self, session: object, message: Message, /) -> JobRef: ...

    # Any: each form says what it takes.
    def __call__(self, /, *call: Any, **arguments: Any) -> JobRef:
        """Return the reference that the job is going to have."""
        if not call:
            raise WrongTypeError(f"on_commit takes {_FORMS}, or a message")
        # Any first argument that is no job says where the transaction is.
        place, asked = (None, call) if _is_job(call[0]) else (call[0], call[1:])
        if place is None or isinstance(place, str):
            message = message_of(asked, arguments)
            from pulpo.committing import django  # noqa: PLC0415  # only who has Django

            return django.publish_at_commit(self._sender, message, using=place)
        if "sqlalchemy" in sys.modules:
            from pulpo.committing import sqlalchemy  # noqa: PLC0415  # only who has a session

            session = sqlalchemy.session_of(place)
            if session is not None:
                message = message_of(asked, arguments)
                return sqlalchemy.publish_at_commit(self._sender, message, session)
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
