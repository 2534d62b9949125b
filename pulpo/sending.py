"""From a call of `publish` to the queue: through the middleware, and on to who listens.

What is written on the wire is decided in `pulpo.publishing`, how a thread reaches the queue in
`pulpo.connections`; jobs are declared and settings found by `pulpo.app`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

from pulpo.adapter import Inserting
from pulpo.choosing import Choice
from pulpo.codec import Codec
from pulpo.connections import Connections
from pulpo.errors import QueueError
from pulpo.events import Event
from pulpo.job import Guard, NewJob
from pulpo.listeners import Listeners
from pulpo.making import Making
from pulpo.message import Message, with_control
from pulpo.middleware import Chains, Middleware, Outbound
from pulpo.mold import cast, cast_all
from pulpo.publishing import JobRef, check_sizes, put, references
from pulpo.registry import Registry
from pulpo.run import CURRENT

__all__ = ["Sender"]

_UNLIMITED = nullcontext()


class Sender:
    """Publishes the checked messages of one app; any thread and any event loop may ask."""

    def __init__(self, registry: Registry, choice: Choice) -> None:
        self._choice = choice
        self._connections = choice.connections
        self._making = Making(registry, choice)
        self.chains = Chains()
        self.listeners = Listeners()

    @property
    def codec(self) -> Codec:
        """The wire format, with the keys of `PULPO_SIGNING_KEYS`."""
        return self._making.codec

    def publish(self, batch: list[Message], within: object = None) -> list[JobRef]:
        """Publish a batch in one round trip; returns when the queue has accepted it."""
        if within is not None:
            return self._publish_within(batch, within)
        if self.chains.publish or self.listeners.functions:
            return self._publish_watched(batch, self.chains.publish)
        jobs, run = self._making.jobs(batch), CURRENT.get(None)
        if run is None:
            return put(self._connections().adapter(), jobs) if jobs else []
        # A handler's time limit must not strike while a command is half written.
        with _UNLIMITED if run.shield is None else run.shield:
            return put(self._connections().adapter(), jobs) if jobs else []

    def publish_like(self, template: Message, body: object) -> JobRef:
        """Publish `template.with_body(body)`, by the short way where that leads there."""
        if CURRENT.get(None) is None and not (self.chains.publish or self.listeners.functions):
            making = self._making
            job = cast(template, None, body, codec=making.codec, find=making.known)
            if job is not None:
                return put(self._connections().adapter(), (job,))[0]
        return self.publish([template.with_body(body)])[0]

    def publish_alike(self, template: Message, bodies: Sequence[object]) -> list[JobRef]:
        """Publish `template.with_bodies(bodies)`, by the short way where that leads there."""
        jobs = self._cast(template, bodies)
        if jobs is None:
            return self.publish(template.with_bodies(bodies))
        return put(self._connections().adapter(), jobs) if jobs else []

    async def apublish_alike(self, template: Message, bodies: Sequence[object]) -> list[JobRef]:
        """Like `publish_alike`, while the event loop goes on."""
        jobs = self._cast(template, bodies)
        if jobs is None:
            return await self.apublish(template.with_bodies(bodies))
        return await self._connections().call(lambda adapter: put(adapter, jobs)) if jobs else []

    async def apublish(self, batch: list[Message], within: object = None) -> list[JobRef]:
        """Like `publish`, while the event loop goes on."""
        if within is not None:
            return await self._apublish_within(batch, within)
        if self.chains.publish or self.listeners.functions:
            return await self._apublish_watched(batch, self.chains.publish)
        jobs = self._making.jobs(batch)
        return await self._connections().call(lambda adapter: put(adapter, jobs)) if jobs else []

    def prepare(self, message: Message, check: Callable[[NewJob], None]) -> tuple[Message, JobRef]:
        """Let middleware and checks see a message that is published later, by `forward`.

        Returns it as they leave it. `check` may refuse the job that it asks for.
        """
        with Outbound(self.chains.publish, [message]) as outbound:
            job = self.job_of(outbound.messages[0])
            check(job)
            outbound.results = [JobRef(job.id, job.queue)]
        return outbound.messages[0], JobRef(job.id, job.queue)

    def now(self) -> float:
        """Return the second since the epoch."""
        return self._choice.clock.wall()

    def connections(self) -> Connections:
        """Return the ways to the queue."""
        return self._connections()

    def job_of(self, message: Message) -> NewJob:
        """Return the job that a message asks for here and now."""
        return self._making.jobs([message])[0]

    def forward(self, batch: list[Message]) -> list[JobRef]:
        """Publish messages that their middleware has seen, in `prepare`."""
        return self._publish_watched(batch, ())

    async def aforward(self, batch: list[Message]) -> list[JobRef]:
        """Like `forward`, while the event loop goes on."""
        return await self._apublish_watched(batch, ())

    def _publish_within(self, batch: list[Message], connection: object) -> list[JobRef]:
        """Write a batch into a transaction of the user's own; nobody is told before its commit."""
        run, door = CURRENT.get(None), self._door(connection)
        with Outbound(self.chains.publish, batch) as outbound:
            jobs = self._making.jobs(outbound.messages)
            with _UNLIMITED if run is None or run.shield is None else run.shield:
                found = put(door, jobs)
            outbound.results = found
        return found

    async def _apublish_within(self, batch: list[Message], connection: object) -> list[JobRef]:
        door = self._door(connection)
        with Outbound(self.chains.publish, batch) as outbound:
            jobs = self._making.jobs(outbound.messages)
            check_sizes(door.capabilities, jobs)
            found = references(jobs, await door.aput(jobs)) if jobs else []
            outbound.results = found
        return found

    def _door(self, connection: object) -> Inserting:
        from pulpo.within import inserting  # noqa: PLC0415  # few publish so

        connections = self._connections()
        return inserting(connections.engine, connection, connections.url)

    async def _apublish_watched(
        self, batch: list[Message], chain: Sequence[Middleware]
    ) -> list[JobRef]:
        with Outbound(chain, batch) as outbound:
            jobs = self._making.jobs(outbound.messages)
            if not jobs:
                return []
            try:
                found = await self._connections().call(lambda adapter: put(adapter, jobs))
            except QueueError as error:
                self._tell(outbound.messages, error.results)
                raise
            self._tell(outbound.messages, found)
            outbound.results = found
        return found

    def _publish_watched(self, batch: list[Message], chain: Sequence[Middleware]) -> list[JobRef]:
        run = CURRENT.get(None)
        with Outbound(chain, batch) as outbound:
            jobs = self._making.jobs(outbound.messages)
            if not jobs:
                return []
            try:
                with _UNLIMITED if run is None or run.shield is None else run.shield:
                    found = put(self._connections().adapter(), jobs)
            except QueueError as error:
                self._tell(outbound.messages, error.results)
                raise
            self._tell(outbound.messages, found)
            outbound.results = found
        return found

    def publish_guarded(
        self, message: Message, guards: Sequence[Guard], said: Mapping[str, object]
    ) -> JobRef:
        """Publish a message whose job holds these keys before its own, with control headers `said`.

        To middleware it is a message like any other.
        """
        from pulpo.guarding import guarding_of  # noqa: PLC0415  # plain jobs do without

        with Outbound(self.chains.publish, [message]) as outbound:
            seen = outbound.messages[0]
            own = guarding_of(seen, self._making.find(seen.type))
            keys = [[guard.key, guard.until] for guard in (*guards, *(own.guards if own else ()))]
            job = self._making.jobs([with_control(seen, {**said, "guards": keys})])[0]
            job = replace(job, guards=(*guards, *job.guards))
            found = put(self._connections().adapter(), [job])
            self._tell([seen], [ref for ref in found if not ref.existing])
            outbound.results = found
        return found[0]

    def _tell(self, messages: Iterable[Message], results: Iterable[object]) -> None:
        """Tell of the messages that were accepted."""
        if "published" not in self.listeners.functions:
            return
        for message, result in zip(messages, results, strict=False):
            if isinstance(result, JobRef) and not result.existing:
                event = Event(
                    name="published",
                    id=result.id,
                    type=message.type,
                    queue=result.queue,
                    headers=message.headers,
                )
                self.listeners.tell(event)

    def _cast(self, template: Message, bodies: Sequence[object]) -> list[NewJob] | None:
        """Return the jobs of messages like one; None for those that a run or a listener minds."""
        if CURRENT.get(None) is not None or self.chains.publish or self.listeners.functions:
            return None
        making = self._making
        return cast_all(template, bodies, codec=making.codec, find=making.known)
