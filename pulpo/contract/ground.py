"""What a subclass of a contract says, and the stage that each test gets by it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from pulpo.adapter import Engine, QueueAdapter
from pulpo.clock import Clock, ManualClock, SystemClock
from pulpo.contract.stage import Stage
from pulpo.job import Job

__all__ = ["Ground"]


class Ground:
    """The ground that tests of one engine stand on.

    What a subclass says:

    - the fixture `engine`: a fresh engine for one test. A server may be shared by all tests: each
      draws queue names of its own and expects nothing of other queues.
    - the fixture `clock`, where the engine lives by a clock that can be moved: a `ManualClock`,
      given to the engine too. The default is the clock of the operating system, and the suite
      sleeps: by grains of `Capabilities.delay_unit`, at least a quarter of a second.
    - `crash(adapter)`: end an owner without a word, as SIGKILL would; the adapter is only closed
      afterwards, which must do no harm.
    - `expire_lease(stage, adapter, job)`, where the passing of time alone does not end a lease.
    """

    @pytest.fixture
    def clock(self) -> Clock:
        """Return the clock that the engine lives by."""
        return SystemClock()

    @pytest.fixture
    def engine(self) -> Engine:
        """Return a fresh engine; each subclass has its own."""
        raise TypeError(f"{type(self).__name__} needs a fixture `engine`")

    @pytest.fixture
    def stage(self, engine: Engine, clock: Clock) -> Iterator[Stage]:
        """Return the stage of one test, and close every door on it afterwards."""
        stage = Stage(
            engine,
            clock,
            advance=lambda seconds: self.advance(clock, seconds),
            crash=self.crash,
            expire_lease=lambda adapter, job: self.expire_lease(stage, adapter, job),
        )
        try:
            yield stage
        finally:
            stage.close()

    def advance(self, clock: Clock, seconds: float) -> None:
        """Let time pass: move the clock where it can be moved, else sleep."""
        if isinstance(clock, ManualClock):
            clock.advance(seconds)
        else:
            time.sleep(seconds)

    def crash(self, adapter: QueueAdapter) -> None:
        """End an owner without a word."""
        raise TypeError(f"{type(self).__name__} needs a method `crash`, for {adapter!r}")

    def expire_lease(
        self,
        stage: Stage,
        adapter: QueueAdapter,  # noqa: ARG002  # for subclasses
        job: Job,  # noqa: ARG002  # for subclasses
    ) -> None:
        """Let the lease of a job that `adapter` holds run out; its ttr is `stage.lease`."""
        stage.advance(stage.lease + stage.tick)
