"""Several real beanstalkds of a test's own that are one queue: started, killed and frozen together.

Knows nothing of pulpo, but for how it takes their addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.lab.beanstalkd import Beanstalkd

__all__ = ["Beanstalkds"]


class Beanstalkds:
    """So many servers, each with its own log below `binlogs`; a context manager.

    `flags` and `environ` are those of each (see `Beanstalkd`). What is done to them is done to
    all; `servers` has each by itself.
    """

    def __init__(
        self,
        count: int,
        *flags: str,
        binlogs: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.servers: Sequence[Beanstalkd] = [
            Beanstalkd(*flags, binlog=binlogs / f"log-{number}", environ=environ)
            for number in range(count)
        ]

    @property
    def url(self) -> str:
        """The queue's address, as pulpo takes it."""
        return "beanstalkd://" + ",".join(server.host for server in self.servers)

    def start(self) -> Beanstalkds:
        """Start all of them."""
        self._each(Beanstalkd.start)
        return self

    def stop(self) -> None:
        """End all of them as an administrator does."""
        self._each(Beanstalkd.stop)

    def kill(self) -> None:
        """End all of them without a word."""
        self._each(Beanstalkd.kill)

    def restart(self) -> None:
        """Kill all of them, and then start all again."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stop all of them in their tracks."""
        self._each(Beanstalkd.freeze)

    def thaw(self) -> None:
        """Let all go on."""
        self._each(Beanstalkd.thaw)

    def _each(self, act: Callable[[Beanstalkd], object]) -> None:
        for server in self.servers:
            act(server)

    def __enter__(self) -> Beanstalkds:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
