"""The connection for control verbs, spoken by greenstalk on a socket of ours.

greenstalk answers broken replies with assertions and bare value errors; whatever it raises apart
from NOT_FOUND, the connection is closed and the trouble said in one of pulpo's own errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import greenstalk

from pulpo.adapters.beanstalkd.address import Address
from pulpo.errors import (
    QueueDrainingError,
    QueueFullError,
    QueueUnavailableError,
    UsageError,
)

__all__ = ["Control"]

_TIMEOUT = 10.0


# What greenstalk raises where a reply is none: OverflowError for a size that no memory has.
_NO_ANSWER = (OSError, AssertionError, ValueError, OverflowError, MemoryError, greenstalk.Error)


class Control:
    """One control connection, opened when it is first used; one thread."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client: greenstalk.Client[bytes] | None = None
        self._closed = False

    @contextmanager
    def talking(self) -> Iterator[greenstalk.Client[bytes]]:
        """Lend the client; `NotFoundError` passes through, it is an answer."""
        client = self._client or self._dial()
        try:
            yield client
        except greenstalk.NotFoundError:
            raise
        except greenstalk.OutOfMemoryError as error:
            raise QueueFullError("beanstalkd has no memory, or no room on its disk") from error
        except greenstalk.DrainingError as error:
            raise QueueDrainingError("beanstalkd is draining and takes no new jobs") from error
        except UsageError:
            self.hang_up()
            raise
        except _NO_ANSWER as error:
            self.hang_up()
            raise QueueUnavailableError(
                f"{self._address.shown}: {str(error) or type(error).__name__}"
            ) from error
        except BaseException:
            self.hang_up()
            raise

    def close(self) -> None:
        """Close the connection for good; twice is once."""
        self._closed = True
        self.hang_up()

    def _dial(self) -> greenstalk.Client[bytes]:
        if self._closed:
            raise QueueUnavailableError("this door to beanstalkd is closed")
        sock = self._address.connect(reply_timeout=_TIMEOUT)
        self._client = greenstalk.Client(sock, encoding=None)
        return self._client

    def hang_up(self) -> None:
        """Close the connection; the next talk opens another."""
        if self._client is not None:
            self._client.close()
            self._client = None
