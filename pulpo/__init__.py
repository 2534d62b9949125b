"""Pulpo: a job queue that loses nothing.

    import pulpo

    @pulpo.job
    def welcome(user_id: int) -> None: ...

    welcome.delay(7)        # and elsewhere: pulpo worker tasks

The names here are the public API. Each is loaded when it is first used (PEP 562), so that a
program which only publishes loads nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulpo.app import Pulpo
    from pulpo.errors import (
        CodecError,
        ConfigurationError,
        DecodeError,
        DuplicateJobTypeError,
        EncodeError,
        FatalError,
        JobTimeoutError,
        JobTooBigError,
        LoadError,
        NotAcceptedError,
        ProtocolError,
        PublishUncertainError,
        PulpoError,
        QueueDrainingError,
        QueueError,
        QueueFullError,
        QueueUnavailableError,
        QueueUnusableError,
        SignatureError,
        TransientError,
        UnknownJobTypeError,
        UnknownOptionError,
        UnsupportedError,
        UsageError,
        WrongTypeError,
    )
    from pulpo.events import Event
    from pulpo.function import JobFunction
    from pulpo.handlers import Handler
    from pulpo.identity import HIGH, LOW, NORMAL
    from pulpo.limit import Limit
    from pulpo.message import Message
    from pulpo.outcome import Bury, Cancel, Outcome, Retry, Snooze, Success
    from pulpo.publishing import JobRef
    from pulpo.run import Run, current_job
    from pulpo.unique import Unique

    __version__: str
    _app = Pulpo()
    apublish = _app.apublish
    apublish_many = _app.apublish_many
    around = _app.around
    configure = _app.configure
    job = _app.job
    on = _app.on
    on_commit = _app.on_commit
    publish = _app.publish
    publish_many = _app.publish_many
    register = _app.register
    run_worker = _app.run_worker
    schedule = _app.schedule
    start_worker = _app.start_worker

__all__ = [
    "HIGH",
    "LOW",
    "NORMAL",
    "Bury",
    "Cancel",
    "CodecError",
    "ConfigurationError",
    "DecodeError",
    "DuplicateJobTypeError",
    "EncodeError",
    "Event",
    "FatalError",
    "Handler",
    "JobFunction",
    "JobRef",
    "JobTimeoutError",
    "JobTooBigError",
    "Limit",
    "LoadError",
    "Message",
    "NotAcceptedError",
    "Outcome",
    "ProtocolError",
    "PublishUncertainError",
    "Pulpo",
    "PulpoError",
    "QueueDrainingError",
    "QueueError",
    "QueueFullError",
    "QueueUnavailableError",
    "QueueUnusableError",
    "Retry",
    "Run",
    "SignatureError",
    "Snooze",
    "Success",
    "TransientError",
    "Unique",
    "UnknownJobTypeError",
    "UnknownOptionError",
    "UnsupportedError",
    "UsageError",
    "WrongTypeError",
    "__version__",
    "apublish",
    "apublish_many",
    "around",
    "configure",
    "current_job",
    "job",
    "on",
    "on_commit",
    "publish",
    "publish_many",
    "register",
    "run_worker",
    "schedule",
    "start_worker",
]

# What the default app does; its bound methods are looked up anew each time.
_OF_THE_APP = frozenset(
    {
        "apublish",
        "apublish_many",
        "around",
        "configure",
        "job",
        "on",
        "on_commit",
        "publish",
        "publish_many",
        "register",
        "run_worker",
        "schedule",
        "start_worker",
    }
)
_HOMES = {
    "Pulpo": "app",
    "Event": "events",
    "JobFunction": "function",
    "Handler": "handlers",
    "HIGH": "identity",
    "LOW": "identity",
    "NORMAL": "identity",
    "Limit": "limit",
    "Message": "message",
    "Bury": "outcome",
    "Cancel": "outcome",
    "Outcome": "outcome",
    "Retry": "outcome",
    "Snooze": "outcome",
    "Success": "outcome",
    "JobRef": "publishing",
    "Run": "run",
    "current_job": "run",
    "Unique": "unique",
}

# The module pulpo.job and the decorator want the same name. A submodule is set on its package once,
# when it is first imported: so it is imported now, and taken off again.
import_module("pulpo.job")
del globals()["job"]


if not TYPE_CHECKING:  # a type checker would believe that every name is here

    def __getattr__(name: str) -> object:
        if name in _OF_THE_APP:
            return getattr(default_app(), name)
        if name not in __all__:
            raise AttributeError(f"module 'pulpo' has no attribute {name!r}")
        if name == "__version__":
            value: object = import_module("importlib.metadata").version("pulpo-messaging")
        else:
            value = getattr(import_module(f"pulpo.{_HOMES.get(name, 'errors')}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


_default: dict[str, "Pulpo"] = {}


def default_app() -> "Pulpo":
    """Return the app behind `pulpo.job` and `pulpo.publish`, made at first use."""
    app = _default.get("app")
    # By setdefault, not under a lock: see `pulpo.connections`.
    return app or _default.setdefault("app", import_module("pulpo.app").Pulpo(decide_later=True))


def use_as_default(app: "Pulpo") -> None:
    """Let another app be the one behind `pulpo.job`; before any module declares a job."""
    _default["app"] = app
