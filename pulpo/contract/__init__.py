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

import pytest

# Before the tests are imported, or a failing `assert` in them would not say what it compared.
pytest.register_assert_rewrite(*(m.name for m in pkgutil.iter_modules(__path__, f"{__name__}.")))

from pulpo.contract.administration import AdministrationContract  # noqa: E402
from pulpo.contract.becoming import BecomingContract  # noqa: E402
from pulpo.contract.changing import ChangingContract  # noqa: E402
from pulpo.contract.crashes import CrashContract  # noqa: E402
from pulpo.contract.delays import DelayContract  # noqa: E402
from pulpo.contract.editing import EditingContract  # noqa: E402
from pulpo.contract.following import FollowingContract  # noqa: E402
from pulpo.contract.ground import Ground  # noqa: E402
from pulpo.contract.guarding import AcceptingContract  # noqa: E402
from pulpo.contract.holding import HoldingContract  # noqa: E402
from pulpo.contract.leases import LeaseContract  # noqa: E402
from pulpo.contract.limits import LimitContract  # noqa: E402
from pulpo.contract.listing import ListingContract  # noqa: E402
from pulpo.contract.order import OrderContract  # noqa: E402
from pulpo.contract.pauses import PauseContract  # noqa: E402
from pulpo.contract.publishing import PublishingContract  # noqa: E402
from pulpo.contract.rewriting import RewritingContract  # noqa: E402
from pulpo.contract.sampling import SamplingContract  # noqa: E402
from pulpo.contract.settling import SettlingContract  # noqa: E402
from pulpo.contract.side import SideContract  # noqa: E402
from pulpo.contract.stage import Stage  # noqa: E402
from pulpo.contract.waiting import WaitingContract  # noqa: E402
from pulpo.contract.walking import WalkingContract  # noqa: E402

__all__ = ["AdapterContract", "GuardContract", "SideContract", "Stage"]


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
    WalkingContract,
    SamplingContract,
    ChangingContract,
    EditingContract,
    PauseContract,
    LimitContract,
    Ground,
):
    """The promises of the port, one test each; subclass it and give it an engine.

    What a subclass says is in `Ground`. An engine that keeps guards passes `GuardContract` too.

    What is not promised, and so not tested: the numbers of jobs, and whether a job keeps its own
    over REPLACE, BURY and edit; its place among equals after REPLACE (after RELEASE it is the
    old one); what becomes of the `then` jobs of a settlement that was refused or whose lease was
    lost; whether a late settlement is taken while nobody else has reserved the job; whether a
    clean close counts as a crash; how many of several ready jobs one exchange brings, if it
    brings one; what a batch does that settles one job twice; the order of jobs in different states
    in a list or a walk; whether a queue that holds nothing exists.
    """


class GuardContract(AcceptingContract, HoldingContract, BecomingContract, Ground):
    """Tests of `NewJob.guards`; for engines whose `Capabilities.guards` is True.

    Subclass it as `AdapterContract`. An engine that can only learn from the bytes of a job what
    guards it has finds them in its header `guards`, as pulpo writes them.
    """
