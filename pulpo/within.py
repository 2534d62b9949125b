"""Publishing in a transaction of the user's own: the job exists exactly when that is committed.

Only an engine whose jobs lie in that very database can do so; all others say so. Which connections
it takes is the engine's business (`pulpo.adapter.Transactional`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pulpo.adapter import Engine, Inserting, Transactional
from pulpo.errors import UnsupportedError
from pulpo.message import Message
from pulpo.publishing import JobRef, Publisher
from pulpo.queue_url import QueueURL

__all__ = ["Within", "inserting"]


def inserting(engine: Engine, connection: object, url: str) -> Inserting:
    """Return the way into a user's transaction; raises `UnsupportedError` where there is none."""
    if isinstance(engine, Transactional):
        return engine.within(connection)
    raise UnsupportedError(
        f"{QueueURL.parse(url).scheme} cannot publish within={type(connection).__qualname__}: its "
        "jobs are not in that database; a queue in PostgreSQL can"
    )


class Within:
    """A publisher whose jobs are part of one transaction, whatever it is asked."""

    def __init__(self, publisher: Publisher, connection: object) -> None:
        self._publisher = publisher
        self._connection = connection

    def publish(self, message: Message, *, within: object = None) -> JobRef:
        """Publish one message within the transaction, or within another one that is named."""
        return self._publisher.publish(message, within=self._or(within))

    def publish_like(self, template: Message, body: object) -> JobRef:
        """Publish one like another within the transaction."""
        return self._publisher.publish(template.with_body(body), within=self._connection)

    def publish_alike(self, template: Message, bodies: Sequence[object]) -> list[JobRef]:
        """Publish several like another within the transaction."""
        return self._publisher.publish_many(template.with_bodies(bodies), within=self._connection)

    def publish_many(self, messages: Iterable[Message], *, within: object = None) -> list[JobRef]:
        """Publish several messages likewise."""
        return self._publisher.publish_many(messages, within=self._or(within))

    async def apublish(self, message: Message, *, within: object = None) -> JobRef:
        """Publish one message within an async transaction."""
        return await self._publisher.apublish(message, within=self._or(within))

    async def apublish_many(
        self, messages: Iterable[Message], *, within: object = None
    ) -> list[JobRef]:
        """Publish several messages within an async transaction."""
        return await self._publisher.apublish_many(messages, within=self._or(within))

    async def apublish_alike(self, template: Message, bodies: Sequence[object]) -> list[JobRef]:
        """Publish several like another within an async transaction."""
        return await self._publisher.apublish_many(
            template.with_bodies(bodies), within=self._connection
        )

    def _or(self, other: object) -> object:
        return self._connection if other is None else other
