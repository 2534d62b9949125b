"""Pulpo as an object: where jobs are declared and published, and which queue they go to.

How a message gets to its queue is said in `pulpo.sending`, which queue that is in `pulpo.choosing`,
what a job function can do in `pulpo.function`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar, Unpack, overload

from pulpo.adapter import Engine
from pulpo.choosing import Choice
from pulpo.clock import Clock, SystemClock
from pulpo.codec import Codec
from pulpo.committing import OnCommit
from pulpo.configuration import find_settings
from pulpo.errors import WrongTypeError
from pulpo.handlers import AnyHandler, handler_type
from pulpo.hooks import Hooks
from pulpo.message import Message
from pulpo.options import JobOptions, check_known
from pulpo.publishing import JobRef, check_message, check_messages
from pulpo.queue_url import mask
from pulpo.recurring import Recurring
from pulpo.registry import Registry
from pulpo.sending import Sender

if TYPE_CHECKING:
    from typing import Self

    from pulpo.embedded import EmbeddedWorker, WorkerLimits
    from pulpo.function import JobFunction
    from pulpo.worker.attendants import Attendant
    from pulpo.worker.settings import WorkerParts

__all__ = ["Pulpo"]

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
        self._registry = Registry()
        #: Which queue it works with; a test lends it one of its own.
        self.choice = Choice(clock or SystemClock())
        self.sender = Sender(self._registry, self.choice)
        #: What `publish` is for messages like another one: see `pulpo.publishing.Publisher`.
        self.publish_like = self.sender.publish_like
        self.publish_alike = self.sender.publish_alike
        self.apublish_alike = self.sender.apublish_alike
        self.on_commit = OnCommit(self.sender)
        self.recurring = Recurring(self._registry, self.sender, self.choice)
        self.schedule, self.timekeeper = self.recurring.schedule, self.recurring.timekeeper
        self.hooks = Hooks(self.sender)
        self.around, self.on = self.hooks.around, self.hooks.on
        self.attendants: list[Attendant] = []  # they run beside each worker of this app
        if not decide_later:
            self.choice.change(url)

    @property
    def registry(self) -> Registry:
        """The job types that are known here."""
        return self._registry

    @property
    def engine(self) -> Engine:
        """The engine of the queue."""
        return self.choice.connections().engine

    @property
    def shown_url(self) -> str:
        """The queue's URL without secrets."""
        return mask(self.choice.connections().url)

    @property
    def codec(self) -> Codec:
        """The wire format, with the keys of `PULPO_SIGNING_KEYS`."""
        return self.sender.codec

    def configure(self, *, url: str) -> None:
        """Use another queue from now on; connections to the old one are closed.

        For the start of a program, before other threads publish. Raises `UsageError` for a URL
        that no engine knows, and then changes nothing.
        """
        self.choice.change(url)

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
        self.recurring.add(made.job_type, made)
        return made

    def register(self, type: str, handler: AnyHandler, /, **options: Unpack[JobOptions]) -> None:
        """Let a handler run a job type: an object with `handle(message)`, or any callable.

        A class is instantiated without arguments. The options are those of `job`.
        """
        self.recurring.add(handler_type(type, handler, options), type)

    def load_handlers(self) -> None:
        """Import and register the handlers and the schedules of the settings file; for workers."""
        self.recurring.load(find_settings())

    def publish(self, message: Message, *, within: object = None) -> JobRef:
        """Publish a message; returns when the queue has accepted the job.

        `within` is a connection of your own to the queue's database: its commit accepts the job.
        Raises `UsageError` and `EncodeError` before anything is sent; `NotAcceptedError` and
        `QueueUnavailableError` when the job is certainly not queued; `PublishUncertainError` when
        no answer came: publishing the same message again is safe.
        """
        return self.sender.publish([check_message(message)], within)[0]

    def publish_many(self, messages: Iterable[Message], *, within: object = None) -> list[JobRef]:
        """Publish messages in one round trip; returns their references in order.

        A wrong message is refused before anything is put. If the queue did not accept some of
        them, raises the first one's error; its `results` say what became of each.
        """
        return self.sender.publish(check_messages(messages), within)

    async def apublish(self, message: Message, *, within: object = None) -> JobRef:
        """Like `publish`; the event loop goes on meanwhile.

        All event loops of a process share one connection and its thread. A wait that is cancelled
        may have published.
        """
        return (await self.sender.apublish([check_message(message)], within))[0]

    async def apublish_many(
        self, messages: Iterable[Message], *, within: object = None
    ) -> list[JobRef]:
        """Like `publish_many`; the event loop goes on meanwhile."""
        return await self.sender.apublish(check_messages(messages), within)

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

        return EmbeddedWorker.of(self.parts(), self.choice.clock, burst=burst, limits=limits)

    def parts(self) -> WorkerParts:
        """Return what a worker of this app works with."""
        from pulpo.working import parts_of  # noqa: PLC0415  # as above

        return parts_of(self)

    def close(self) -> None:
        """Close the connections of all threads, when none is publishing; a later one opens its own.

        `with Pulpo(...) as app:` does it at the end.
        """
        self.choice.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
