"""Pulpo as an object: where jobs are declared and published, and which queue they go to.

What is written on the wire is decided in `pulpo.publishing`, what a job function can do in
`pulpo.function`, how a thread reaches the queue in `pulpo.connections`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar, Unpack, overload

from pulpo.adapter import Engine
from pulpo.adapters import open_engine
from pulpo.clock import Clock, SystemClock
from pulpo.codec import Codec
from pulpo.configuration import find_settings, find_url, signing_keys
from pulpo.connections import Connections
from pulpo.errors import ConfigurationError, UsageError, WrongTypeError
from pulpo.handlers import AnyHandler, configured_types, declared_types, handler_type
from pulpo.job import NewJob
from pulpo.message import Message
from pulpo.options import JobOptions, check_known
from pulpo.publishing import JobRef, check_message, check_messages, new_job, put
from pulpo.queue_url import mask
from pulpo.registry import JobType, Registry
from pulpo.run import CURRENT

if TYPE_CHECKING:
    from typing import Self

    from pulpo.embedded import EmbeddedWorker, WorkerLimits
    from pulpo.function import JobFunction

__all__ = ["Pulpo"]

_UNLIMITED = nullcontext()
P = ParamSpec("P")
R = TypeVar("R")


class Pulpo:
    """Job types, and the queue that their jobs go to.

    `url` may come from elsewhere: the argument counts first, then `PULPO_URL`, then the settings
    file, then a file in the current folder. It is checked here, and nothing is opened before the
    first publish. Any thread may use one object: each thread has its own connection, which is
    closed with the thread, with `close`, or at exit. A forked child opens its own.
    With `decide_later` the search for a URL waits for the first use, so that imports stay quiet.

    Raises `UsageError` for an unknown kind of URL, `ConfigurationError` if a setting said it.
    """

    def __init__(
        self, url: str | None = None, *, clock: Clock | None = None, decide_later: bool = False
    ) -> None:
        self._clock = clock or SystemClock()
        self._registry = Registry()
        # Made at first use, each by `dict.setdefault`: see `Connections` for why there is no lock.
        self._queue: dict[str, Connections] = {}
        self._codec: dict[str, Codec] = {}
        self._declared: dict[str, Mapping[str, JobType]] = {}
        if not decide_later:
            self._queue["queue"] = self._found(url)

    def _found(self, argument: str | None) -> Connections:
        found = find_url(argument)
        try:
            return Connections(open_engine(found.url, clock=self._clock), found.url)
        except UsageError as error:
            if not found.source:
                raise
            raise ConfigurationError(f"{found.source}: {error}") from None

    @property
    def registry(self) -> Registry:
        """The job types that are known here."""
        return self._registry

    @property
    def engine(self) -> Engine:
        """The engine of the queue."""
        return self._connections().engine

    @property
    def shown_url(self) -> str:
        """The queue's URL without secrets."""
        return mask(self._connections().url)

    @property
    def codec(self) -> Codec:
        """The wire format, with the keys of `PULPO_SIGNING_KEYS`."""
        codec = self._codec.get("codec")
        return codec or self._codec.setdefault("codec", Codec(signing_keys()))

    def _connections(self) -> Connections:
        queue = self._queue.get("queue")
        return queue or self._queue.setdefault("queue", self._found(None))

    def configure(self, *, url: str) -> None:
        """Use another queue from now on; connections to the old one are closed.

        For the start of a program, before other threads publish. Raises `UsageError` for a URL
        that no engine knows, and then changes nothing.
        """
        old = self._queue.get("queue")
        if old is not None and old.url == url:
            return
        self._queue["queue"] = self._found(url)
        if old is not None:
            old.close()

    @overload
    def job(self, function: Callable[P, R], /) -> JobFunction[P, R]: ...

    @overload
    def job(
        self, /, **options: Unpack[JobOptions]
    ) -> Callable[[Callable[P, R]], JobFunction[P, R]]: ...

    def job(
        self, function: Callable[P, R] | None = None, /, **options: Unpack[JobOptions]
    ) -> JobFunction[P, R] | Callable[[Callable[P, R]], JobFunction[P, R]]:
        """Make a function a job type, as a decorator with or without options.

        For functions, `async def` functions and static methods (above `@staticmethod`). Raises
        `UsageError` naming the option, `WrongTypeError` for what can't be a job.
        """
        if isinstance(function, str):
            raise WrongTypeError(f"write @pulpo.job(type={function!r}): options have names")
        if function is None:
            check_known(options)
            return partial(self._job, options)
        return self._job(options, function)

    def _job(self, options: JobOptions, function: Callable[P, R]) -> JobFunction[P, R]:
        from pulpo.function import make_job_function  # noqa: PLC0415  # wrapt: only for decorators

        made = make_job_function(function, self, options)
        self._registry.add(made.job_type)
        return made

    def register(self, type: str, handler: AnyHandler, /, **options: Unpack[JobOptions]) -> None:
        """Let a handler run a job type: an object with `handle(message)`, or any callable.

        A class is instantiated without arguments. The options are those of `job`.
        """
        self._registry.add(handler_type(type, handler, options))

    def load_handlers(self) -> None:
        """Import and register the handlers of the settings file; for workers."""
        for job_type in configured_types(find_settings()):
            self._registry.add(job_type)

    def publish(self, message: Message) -> JobRef:
        """Publish a message; returns when the queue has accepted the job.

        Raises `UsageError` and `EncodeError` before anything is sent; `NotAcceptedError` and
        `QueueUnavailableError` when the job is certainly not queued; `PublishUncertainError` when
        no answer came: publishing the same message again is safe.
        """
        return self._publish([check_message(message)])[0]

    def publish_many(self, messages: Iterable[Message]) -> list[JobRef]:
        """Publish messages in one round trip; returns their references in order.

        A wrong message is refused before anything is put. If the queue did not accept some of
        them, raises the first one's error; its `results` say what became of each.
        """
        return self._publish(check_messages(messages))

    async def apublish(self, message: Message) -> JobRef:
        """Like `publish`; the event loop goes on meanwhile.

        All event loops of a process share one connection and its thread. A wait that is cancelled
        may have published.
        """
        jobs = self._jobs([check_message(message)])
        return (await self._connections().call(lambda adapter: put(adapter, jobs)))[0]

    async def apublish_many(self, messages: Iterable[Message]) -> list[JobRef]:
        """Like `publish_many`; the event loop goes on meanwhile."""
        jobs = self._jobs(check_messages(messages))
        return await self._connections().call(lambda adapter: put(adapter, jobs)) if jobs else []

    def _publish(self, batch: list[Message]) -> list[JobRef]:
        jobs, run = self._jobs(batch), CURRENT.get(None)
        # A handler's time limit must not strike while a command is half written.
        with _UNLIMITED if run is None or run.shield is None else run.shield:
            return put(self._connections().adapter(), jobs) if jobs else []

    def run_worker(self, *, burst: bool = False, **limits: Unpack[WorkerLimits]) -> bool:
        """Run the jobs of this app until interrupted; the caller waits.

        With `burst`, until nothing is ready: for tests and scripts. Returns False where jobs were
        still running at the end of the grace: they keep their leases until they end, or the program
        does. `pulpo.embedded` says what it lacks beside `pulpo worker`.
        """
        return self._embedded(burst=burst, limits=limits).run()

    def start_worker(self, **limits: Unpack[WorkerLimits]) -> EmbeddedWorker:
        """Run the jobs of this app in a thread beside the program, until its `stop()`.

        The result is a context manager: `with app.start_worker(): ...`.
        """
        return self._embedded(burst=False, limits=limits).start()

    def _embedded(self, *, burst: bool, limits: WorkerLimits) -> EmbeddedWorker:
        from pulpo.embedded import EmbeddedWorker  # noqa: PLC0415  # producers need no worker
        from pulpo.worker.settings import WorkerParts  # noqa: PLC0415

        parts = WorkerParts(self.engine, self._registry, self.codec, shown_url=self.shown_url)
        return EmbeddedWorker.of(parts, self._clock, burst=burst, limits=limits)

    def _jobs(self, batch: list[Message]) -> list[NewJob]:
        codec, now, depth = self.codec, self._clock.wall(), _depth()
        return [new_job(message, codec, self._find, now, depth) for message in batch]

    def _find(self, type: str) -> JobType | None:
        found = self._registry.find(type)
        if found is not None:
            return found
        declared = self._declared.get("declared")
        if declared is None:
            declared = self._declared.setdefault("declared", declared_types(find_settings()))
        return declared.get(type)

    def close(self) -> None:
        """Close the connections of all threads; call it when none of them is publishing.

        A later publish opens new ones. `with Pulpo(...) as app:` does it at the end.
        """
        queue = self._queue.get("queue")
        if queue is not None:
            queue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _depth() -> int:
    """Return how many jobs stand above one that is published here and now."""
    run = CURRENT.get(None)
    return run.envelope.depth + 1 if run else 0
