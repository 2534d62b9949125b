"""Everything that pulpo raises, as one tree; each branch says whose fault it is.

    PulpoError
    ├── UsageError (ValueError)             the caller's: a value, a name, an option, a URL
    │   ├── WrongTypeError (TypeError)          wrong type, or an argument that does not fit
    │   ├── UnknownOptionError (TypeError)      an option that nobody knows
    │   ├── UnknownJobTypeError (LookupError)   no handler for a job type
    │   ├── DuplicateJobTypeError               two handlers for one job type
    │   ├── ConfigurationError                  a settings file or an environment variable
    │   ├── LoadError                           a module of handlers that does not load
    │   └── UnsupportedError                    the engine cannot do what it was asked for
    ├── QueueError                          the queue's, or the network's
    │   ├── NotAcceptedError                    the job was certainly not accepted
    │   │   ├── QueueFullError
    │   │   ├── JobTooBigError
    │   │   └── QueueDrainingError
    │   ├── QueueUnavailableError               nothing was sent
    │   │   └── QueueUnusableError                  and waiting does not help
    │   ├── PublishUncertainError               sent, no answer: publish the same message again
    │   └── ProtocolError                       the queue answered what it must not
    ├── CodecError (ValueError)             the bytes'
    │   ├── EncodeError (TypeError)             a value that has no place on the wire
    │   ├── DecodeError                         bytes that are not a job
    │   └── SignatureError                      a job that nobody with a key has signed
    ├── JobTimeoutError (TimeoutError)      the handler's: it ran longer than its `timeout`
    └── (raised by handlers)
        ├── TransientError                      run me again later
        └── FatalError                          never run me again

Messages start in lower case, name the culprit with `!r` and say what is allowed. This file knows
nothing of the rest of the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

__all__ = [
    "CodecError",
    "ConfigurationError",
    "DecodeError",
    "DuplicateJobTypeError",
    "EncodeError",
    "FatalError",
    "JobTimeoutError",
    "JobTooBigError",
    "LoadError",
    "NotAcceptedError",
    "ProtocolError",
    "PublishUncertainError",
    "PulpoError",
    "QueueDrainingError",
    "QueueError",
    "QueueFullError",
    "QueueUnavailableError",
    "QueueUnusableError",
    "SignatureError",
    "TransientError",
    "UnknownJobTypeError",
    "UnknownOptionError",
    "UnsupportedError",
    "UsageError",
    "WrongTypeError",
]


class PulpoError(Exception):
    """The root of everything that pulpo raises on purpose."""


class UsageError(PulpoError, ValueError):
    """The call is wrong; nothing was sent."""


class WrongTypeError(UsageError, TypeError):
    """A value has the wrong type, or an argument does not fit the signature."""


class UnknownOptionError(UsageError, TypeError):
    """An option that nobody knows."""


class UnknownJobTypeError(UsageError, LookupError):
    """No handler is registered for a job type."""


class DuplicateJobTypeError(UsageError):
    """Two different handlers want the same job type."""


class ConfigurationError(UsageError):
    """A settings file or an environment variable says something impossible."""


class LoadError(UsageError):
    """A module of handlers does not exist or does not import.

    `shown` is what a terminal gets to see, `exit_code` what the command ends with: 2 for a wrong
    name, 1 for code that fails.
    """

    def __init__(self, message: str, *, shown: str = "", exit_code: int = 2) -> None:
        super().__init__(message)
        self.shown = shown or message
        self.exit_code = exit_code


class UnsupportedError(UsageError):
    """The engine cannot do what it was asked for; the message names engine and option."""


class QueueError(PulpoError):
    """The queue refused, failed, or could not be reached.

    `results` is filled where several messages were published in one call: for each message, in
    order, its `JobRef` or its own error.
    """

    results: Sequence[object] = ()


class NotAcceptedError(QueueError):
    """The queue certainly did not accept the job."""


class QueueFullError(NotAcceptedError):
    """There is no room, in memory or on the disk."""


class JobTooBigError(NotAcceptedError):
    """The encoded job is larger than the queue takes."""


class QueueDrainingError(NotAcceptedError):
    """The queue is being emptied and takes no new jobs."""


class QueueUnavailableError(QueueError):
    """The queue is out of reach; nothing was sent."""


class QueueUnusableError(QueueUnavailableError):
    """What is there is no queue for this pulpo, and will not become one; nothing was sent."""


class PublishUncertainError(QueueError):
    """The job was sent and no answer came: it may be queued or not.

    Publishing the same message again is safe: it carries the same `id`.
    """

    def __init__(self, message: str, *, id: str = "") -> None:
        super().__init__(message)
        self.id = id


class ProtocolError(QueueError):
    """The queue answered something that its protocol does not know; the connection was closed."""


class CodecError(PulpoError, ValueError):
    """Bytes and values do not go together."""


class EncodeError(CodecError, TypeError):
    """A value has no place on the wire."""


class DecodeError(CodecError):
    """The bytes are not a job."""


class SignatureError(CodecError):
    """Signing keys are set and the job carries no valid signature."""


class JobTimeoutError(PulpoError, TimeoutError):
    """A run took longer than the `timeout` of its job type."""


class TransientError(PulpoError):
    """Raised by a handler: run the job again, after `delay` (default: by its backoff).

    `delay` is a duration: seconds, `timedelta`, or text such as `"5m"`.
    """

    def __init__(self, *args: object, delay: float | str | timedelta | None = None) -> None:
        super().__init__(*args)
        self.delay = delay


class FatalError(PulpoError):
    """Raised by a handler: bury the job, it will never succeed."""
