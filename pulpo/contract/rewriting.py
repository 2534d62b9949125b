"""Jobs that go back with their story brought up to date: REPLACE and BURY, never losing the old."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pulpo.contract.stage import Stage
from pulpo.errors import UsageError
from pulpo.job import JobState, Settlement, Verb

__all__ = ["RewritingContract"]


class RewritingContract:
    """Tests of REPLACE and BURY."""

    def test_a_replaced_job_has_the_rewritten_body(self, stage: Stage) -> None:
        new, job = stage.running("old")
        rewritten = stage.rewrite(new, "rewritten")

        assert stage.settle(Settlement(Verb.REPLACE, job, rewritten=rewritten)) == [True]
        assert stage.take().body == rewritten.body

    def test_a_replaced_job_is_there_only_once(self, stage: Stage) -> None:
        new, job = stage.running("old")

        stage.settle(Settlement(Verb.REPLACE, job, rewritten=stage.rewrite(new, "new")))

        assert stage.drain() == ["new"]
        assert stage.stats().reserved == 0

    def test_a_replaced_job_waits_for_its_new_delay(self, stage: Stage) -> None:
        new, job = stage.running()

        rewritten = stage.rewrite(new, "later", delay=stage.tick)
        stage.settle(Settlement(Verb.REPLACE, job, rewritten=rewritten))

        assert stage.state(new) is JobState.DELAYED
        stage.advance(stage.tick)
        assert stage.text(stage.take()) == "later"

    def test_a_replaced_job_waits_for_its_new_moment(self, stage: Stage) -> None:
        new, job = stage.running()

        rewritten = stage.rewrite(new, "later", at=stage.clock.wall() + 900)
        stage.settle(Settlement(Verb.REPLACE, job, rewritten=rewritten))

        assert stage.reserve() == []
        assert 800 < stage.seen(new).due <= 901

    def test_a_replaced_job_has_its_new_priority(self, stage: Stage) -> None:
        new, job = stage.running("a", priority=5)
        stage.put(stage.job("b", priority=5), stage.job("c", priority=7))

        rewritten = stage.rewrite(new, "a again", priority=6)
        stage.settle(Settlement(Verb.REPLACE, job, rewritten=rewritten))

        assert stage.seen(new).priority == 6
        assert stage.drain() == ["b", "a again", "c"]

    def test_a_replaced_job_keeps_its_id_and_queue(self, stage: Stage) -> None:
        new, job = stage.running()

        stage.settle(Settlement(Verb.REPLACE, job, rewritten=stage.rewrite(new, "same")))

        seen = stage.seen(new)
        assert (seen.id, seen.queue) == (new.id, stage.queue)

    def test_a_replaced_job_may_move_to_another_queue(self, stage: Stage) -> None:
        new, job = stage.running()

        rewritten = stage.rewrite(new, "moved", queue=stage.other)
        assert stage.settle(Settlement(Verb.REPLACE, job, rewritten=rewritten)) == [True]

        assert stage.drain() == []
        assert stage.drain(stage.other) == ["moved"]

    def test_a_replaced_job_may_be_reserved_by_the_same_exchange(self, stage: Stage) -> None:
        new, job = stage.running("old")

        answers, jobs = stage.owner.exchange(
            [Settlement(Verb.REPLACE, job, rewritten=stage.rewrite(new, "new"))],
            [stage.queue],
            limit=1,
            timeout=0.0,
        )

        assert list(answers) == [True]
        assert [stage.text(job) for job in jobs] == ["new"]

    def test_a_job_may_be_replaced_many_times(self, stage: Stage) -> None:
        new, job = stage.running("0")
        for number in range(1, 6):
            rewritten = stage.rewrite(new, str(number))
            assert stage.settle(Settlement(Verb.REPLACE, job, rewritten=rewritten)) == [True]
            job = stage.take()

        assert stage.text(job) == "5"
        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]
        assert stage.admin.peek([new.id]) == [None]

    def test_a_buried_job_is_not_reserved(self, stage: Stage) -> None:
        job = stage.buried()

        assert stage.reserve() == []
        assert stage.state(job) is JobState.BURIED

    def test_a_buried_job_shows_its_rewritten_body(self, stage: Stage) -> None:
        new, job = stage.running("old")

        rewritten = stage.rewrite(new, "with the last error")
        assert stage.settle(Settlement(Verb.BURY, job, rewritten=rewritten)) == [True]

        assert stage.seen(new).body == rewritten.body

    def test_a_buried_job_is_there_only_once(self, stage: Stage) -> None:
        stage.buried()

        stats = stage.stats()
        counts = (stats.ready, stats.delayed, stats.reserved, stats.buried)
        assert counts == (0, 0, 0, 1)

    def test_a_buried_job_has_no_owner(self, stage: Stage) -> None:
        new, job = stage.running()
        stage.settle(Settlement(Verb.BURY, job, rewritten=new))

        assert stage.settle(Settlement(Verb.RELEASE, job)) == [False]
        assert list(stage.owner.touch([job])) == [False]
        assert stage.state(new) is JobState.BURIED

    def test_a_buried_job_outlives_its_owner(self, stage: Stage) -> None:
        job = stage.buried()

        stage.owner.close()

        assert stage.state(job) is JobState.BURIED

    @pytest.mark.parametrize("verb", [Verb.REPLACE, Verb.BURY])
    def test_a_job_whose_rewritten_body_is_too_big_is_not_lost(
        self, stage: Stage, verb: Verb
    ) -> None:
        new, job = stage.running("precious")
        big = replace(new, body=b"x" * (stage.owner.capabilities.max_body + 1))

        stage.settle(Settlement(verb, job, rewritten=big))

        assert stage.seen(new).body == new.body

    @pytest.mark.parametrize("verb", [Verb.REPLACE, Verb.BURY])
    def test_a_job_whose_rewritten_body_is_too_big_runs_again_or_is_buried(
        self, stage: Stage, verb: Verb
    ) -> None:
        new, job = stage.running("precious")
        big = replace(new, body=b"x" * (stage.owner.capabilities.max_body + 1))

        stage.settle(Settlement(verb, job, rewritten=big))
        stage.owner.close()

        assert stage.state(new) in (JobState.READY, JobState.DELAYED, JobState.BURIED)

    def test_a_refused_rewriting_spoils_no_other_settlement(self, stage: Stage) -> None:
        new = stage.jobs("a", "b")
        stage.put(*new)
        a, b = stage.reserve(limit=2)
        big = replace(new[0], body=b"x" * (stage.owner.capabilities.max_body + 1))

        answers = stage.settle(
            Settlement(Verb.REPLACE, a, rewritten=big),
            Settlement(Verb.REPLACE, b, rewritten=stage.rewrite(new[1], "b again")),
        )

        assert answers[1] is True
        assert "b again" in stage.drain()

    @pytest.mark.parametrize("verb", [Verb.REPLACE, Verb.BURY])
    def test_rewriting_without_a_rewritten_job_is_a_wrong_call(
        self, stage: Stage, verb: Verb
    ) -> None:
        stage.put(*stage.jobs("a", "b"))
        a, b = stage.reserve(limit=2)

        with pytest.raises(UsageError):
            stage.settle(Settlement(Verb.DELETE, a), Settlement(verb, b))

        assert stage.stats().reserved == 2
