"""Guards of jobs that follow a settled one, for engines that take them."""

from __future__ import annotations

from pulpo.contract import GuardContract, Stage
from pulpo.contract.keys import guarded, put
from pulpo.job import Settlement, Verb


class GuardedFollowing(GuardContract):
    """The contract of guards, and one test more."""

    def test_what_follows_a_job_minds_keys(self, stage: Stage, key: str) -> None:
        put(stage, guarded(stage, key, "first", queue=stage.other))
        _, job = stage.running()
        then = [guarded(stage, key, "second"), guarded(stage, f"{key}-2", "third")]

        assert stage.settle(Settlement(Verb.DELETE, job, then=then)) == [True]

        assert stage.drain() == ["third"]
