"""New jobs that follow a settled one: accepted first, or the old one stays."""

from __future__ import annotations

from pulpo.contract.stage import Stage
from pulpo.errors import QueueError
from pulpo.job import JobState, Settlement, Verb

__all__ = ["FollowingContract"]


class FollowingContract:
    """Tests of `Settlement.then`."""

    def test_what_follows_a_job_is_ready_when_the_job_is_gone(self, stage: Stage) -> None:
        new, job = stage.running("first")
        following = stage.jobs("second", "third")

        assert stage.settle(Settlement(Verb.DELETE, job, then=following)) == [True]

        assert stage.admin.peek([new.id]) == [None]
        assert stage.drain() == ["second", "third"]

    def test_what_follows_a_job_may_go_elsewhere_and_later(self, stage: Stage) -> None:
        _, job = stage.running()
        there = stage.job("there", queue=stage.other)
        later = stage.job("later", delay=3_600.0)

        assert stage.settle(Settlement(Verb.DELETE, job, then=[there, later])) == [True]

        assert stage.drain(stage.other) == ["there"]
        assert stage.state(later) is JobState.DELAYED

    def test_a_job_may_be_replaced_and_followed(self, stage: Stage) -> None:
        new, job = stage.running("old")
        settlement = Settlement(
            Verb.REPLACE, job, rewritten=stage.rewrite(new, "new"), then=[stage.job("next")]
        )

        assert stage.settle(settlement) == [True]
        assert sorted(stage.drain()) == ["new", "next"]

    def test_a_job_is_not_settled_where_what_follows_was_refused(self, stage: Stage) -> None:
        _, job = stage.running("kept")
        too_big = stage.job(body=b"x" * (stage.owner.capabilities.max_body + 1))

        answer = stage.settle(Settlement(Verb.DELETE, job, then=[too_big]))[0]

        assert isinstance(answer, QueueError)
        assert stage.stats().reserved == 1
        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]

    def test_who_lost_the_lease_is_told_so_whatever_was_to_follow(self, stage: Stage) -> None:
        _, job = stage.running()
        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]
        too_big = stage.job(body=b"x" * (stage.owner.capabilities.max_body + 1))

        assert stage.settle(Settlement(Verb.DELETE, job, then=[too_big])) == [False]

    def test_a_refused_follower_spoils_no_other_settlement(self, stage: Stage) -> None:
        stage.put(*stage.jobs("a", "b", "c"))
        a, b, c = stage.reserve(limit=3)
        too_big = stage.job(body=b"x" * (stage.owner.capabilities.max_body + 1))

        answers = stage.settle(
            Settlement(Verb.DELETE, a),
            Settlement(Verb.DELETE, b, then=[too_big]),
            Settlement(Verb.DELETE, c, then=[stage.job("after c")]),
        )

        assert (answers[0], answers[2]) == (True, True)
        assert isinstance(answers[1], QueueError)
        assert stage.drain() == ["after c"]
