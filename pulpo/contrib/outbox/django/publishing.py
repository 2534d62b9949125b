"""Jobs added to the caller's transaction; what becomes of the rows is in `.reading`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import router

from pulpo import default_app
from pulpo.app import Pulpo
from pulpo.committing import message_of
from pulpo.contrib.outbox.attending import Relay
from pulpo.contrib.outbox.django.models import OutboxJob
from pulpo.contrib.outbox.django.reading import DjangoRows
from pulpo.contrib.outbox.rows import MOST_BYTES
from pulpo.deferring import keep_for_long
from pulpo.message import Message
from pulpo.publishing import JobRef

if TYPE_CHECKING:
    from pulpo.function import JobFunction

__all__ = ["Outbox", "outbox"]

P = ParamSpec("P")
R = TypeVar("R")


class Outbox:
    """Jobs as rows of one database; any thread may publish, in its own transaction.

    `using` is the database's alias; without one it is where Django's routers write the model. A
    job may have `most_bytes`. Every worker of `app`, by default the one behind `pulpo.job`, relays.
    """

    def __init__(
        self, using: str | None = None, *, app: Pulpo | None = None, most_bytes: int = MOST_BYTES
    ) -> None:
        self._app = app or default_app()
        self._most_bytes = most_bytes
        self.using: str = using or router.db_for_write(OutboxJob)
        self.relay = Relay(self.using, self._app.sender, lambda: DjangoRows(self.using))
        self._app.attendants.append(self.relay)

    @overload
    def publish(self, job: JobFunction[P, R], /, *args: P.args, **kwargs: P.kwargs) -> JobRef: ...

    @overload
    def publish(self, message: Message, /) -> JobRef: ...

    # Any: each form says what it takes.
    def publish(self, /, *call: Any, **arguments: Any) -> JobRef:
        """Add a job to the transaction of this thread; returns its reference to be.

        Outside of a transaction it is committed at once. Raises what publishing raises of a wrong
        call, before a row is added. A delay counts from now.
        """
        return self._add(call, arguments)

    @overload
    async def apublish(
        self, job: JobFunction[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> JobRef: ...

    @overload
    async def apublish(self, message: Message, /) -> JobRef: ...

    async def apublish(self, /, *call: Any, **arguments: Any) -> JobRef:
        """Like `publish`, in the thread that works with the database for event loops."""
        return await sync_to_async(self._add)(call, arguments)

    def _add(self, call: Sequence[Any], arguments: Mapping[str, Any]) -> JobRef:
        message = message_of(call, arguments)
        kept = keep_for_long(self._app.sender, message, most_bytes=self._most_bytes)
        now = datetime.now(UTC)
        OutboxJob.objects.using(self.using).create(
            job_id=kept.ref.id,
            type=kept.type,
            message=kept.data,
            added_at=now if settings.USE_TZ else now.replace(tzinfo=None),
        )
        return kept.ref


#: The outbox of the database that the routers choose.
outbox = Outbox()
