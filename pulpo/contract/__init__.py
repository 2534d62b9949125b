"""What every engine does, as a suite of tests that anybody can run on an engine of their own.

    class TestMyEngine(AdapterContract):
        @pytest.fixture
        def engine(self, tmp_path, clock):
            return MyEngine(QueueURL.parse(f"mine:///{tmp_path}/queue"), clock=clock)

        def crash(self, adapter):
            adapter.connection.abort()

Needs pytest. Knows no engine by name.
"""

from __future__ import annotations

import pkgutil
import time
from collections.abc import Iterator

import pytest

# Before the tests are imported, or a failing `assert` in them would not say what it compared.
pytest.register_assert_rewrite(*(m.name for m in pkgutil.iter_modules(__path__, f"{__name__}.")))

from pulpo.adapter import Engine, QueueAdapter  # noqa: E402
from pulpo.clock import Clock, ManualClock, SystemClock  # noqa: E402
from pulpo.contract.administration import AdministrationContract  # noqa: E402
from pulpo.contract.burying import BuryingContract  # noqa: E402
from pulpo.contract.crashes import CrashContract  # noqa: E402
from pulpo.contract.delays import DelayContract  # noqa: E402
from pulpo.contract.editing import EditingContract  # noqa: E402
from pulpo.contract.following import FollowingContract  # noqa: E402
from pulpo.contract.leases import LeaseContract  # noqa: E402
from pulpo.contract.limits import LimitContract  # noqa: E402
from pulpo.contract.listing import ListingContract  # noqa: E402
from pulpo.contract.order import OrderContract  # noqa: E402
from pulpo.contract.pauses import PauseContract  # noqa: E402
from pulpo.contract.publishing import PublishingContract  # noqa: E402
from pulpo.contract.rewriting import RewritingContract  # noqa: E402
from pulpo.contract.settling import SettlingContract  # noqa: E402
from pulpo.contract.stage import Stage  # noqa: E402
from pulpo.contract.waiting import WaitingContract  # noqa: E402
from pulpo.job import Job  # noqa: E402

__all__ = ["AdapterContract", "Stage"]


class AdapterContract(
    PublishingContract,
    OrderContract,
    DelayContract,
    SettlingContract,
    FollowingContract,
    RewritingContract,
    LeaseContract,
    CrashContract,
    WaitingContract,
    AdministrationContract,
    ListingContract,
    EditingContract,
    BuryingContract,
    PauseContract,
    LimitContract,
):
    """The promises of the port, one test each; subclass it and give it an engine.

    What a subclass says:

    - the fixture `engine`: a fresh engine for one test. A server may be shared by all tests: each
      draws queue names of its own and expects nothing of other queues.
    - the fixture `clock`, where the engine lives by a clock that can be moved: a `ManualClock`,
      given to the engine too. The default is the clock of the operating system, and the suite
      sleeps: by grains of `Capabilities.delay_unit`, at least a quarter of a second.
    - `crash(adapter)`: end an owner without a word, as SIGKILL would; the adapter is only closed
      afterwards, which must do no harm.
    - `expire_lease(stage, adapter, job)`, where the passing of time alone does not end a lease.

    What is not promised, and so not tested: the numbers of jobs, and whether a job keeps its own
    over REPLACE, BURY and edit; its place among equals after REPLACE (after RELEASE it is the
    old one); what becomes of the `then` jobs of a settlement that was refused or whose lease was
    lost; whether a late settlement is taken while nobody else has reserved the job; whether a
    clean close counts as a crash; how many of several ready jobs one exchange brings, if it
    brings one; what a batch does that settles one job twice; the order of jobs in different states
    in a list; whether a queue that holds nothing exists.
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
