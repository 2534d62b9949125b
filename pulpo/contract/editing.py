"""Jobs that an operator rewrites while they wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pulpo.contract.stage import Stage
from pulpo.errors import JobTooBigError
from pulpo.job import JobState, Settlement, Verb

__all__ = ["EditingContract"]


class EditingContract:
    """Tests of `QueueAdmin.edit`."""

    def test_an_edited_job_has_its_new_body(self, stage: Stage) -> None:
        job = stage.job("typo")
        stage.put(job)

        assert stage.admin.edit(job.id, stage.rewrite(job, "no typo")) is True
        assert stage.drain() == ["no typo"]

    def test_an_edited_job_has_its_new_priority(self, stage: Stage) -> None:
        job = stage.job("slow", priority=9)
        stage.put(job, stage.job("other", priority=5))

        stage.admin.edit(job.id, stage.rewrite(job, "fast", priority=1))

        assert stage.drain() == ["fast", "other"]

    def test_an_edited_job_may_move_to_another_queue(self, stage: Stage) -> None:
        job = stage.job("move")
        stage.put(job)

        assert stage.admin.edit(job.id, stage.rewrite(job, "moved", queue=stage.other)) is True
        assert stage.drain() == []
        assert stage.drain(stage.other) == ["moved"]

    def test_a_ready_job_is_delayed_by_an_edit(self, stage: Stage) -> None:
        job = stage.job()
        stage.put(job)

        assert stage.admin.edit(job.id, stage.rewrite(job, "later", delay=900.0)) is True
        assert stage.state(job) is JobState.DELAYED
        assert 800 < stage.seen(job).due <= 901

    def test_a_delayed_job_gets_its_new_delay(self, stage: Stage) -> None:
        job = stage.job(delay=100.0)
        stage.put(job)

        assert stage.admin.edit(job.id, stage.rewrite(job, "later", delay=900.0)) is True
        assert 800 < stage.seen(job).due <= 901

    def test_a_delayed_job_without_a_new_delay_is_ready(self, stage: Stage) -> None:
        job = stage.job(delay=900.0)
        stage.put(job)

        assert stage.admin.edit(job.id, stage.rewrite(job, "now")) is True
        assert stage.drain() == ["now"]

    def test_a_buried_job_stays_buried(self, stage: Stage) -> None:
        job = stage.buried("broken")

        assert stage.admin.edit(job.id, stage.rewrite(job, "mended", delay=1.0)) is True

        assert stage.state(job) is JobState.BURIED
        assert stage.text(stage.seen(job)) == "mended"

    def test_a_buried_job_that_was_edited_is_kicked_as_edited(self, stage: Stage) -> None:
        job = stage.buried("broken")
        stage.admin.edit(job.id, stage.rewrite(job, "mended"))

        assert stage.admin.kick_all(stage.queue) == 1
        assert stage.drain() == ["mended"]

    def test_a_running_job_is_not_edited(self, stage: Stage) -> None:
        new, job = stage.running("as it was")

        assert stage.admin.edit(new.id, stage.rewrite(new, "changed")) is False

        assert stage.seen(new).body == new.body
        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]
        assert stage.admin.peek([new.id]) == [None]

    def test_an_absent_job_is_not_edited(self, stage: Stage) -> None:
        job = stage.job()

        assert stage.admin.edit(job.id, job) is False
        assert stage.reserve() == []

    def test_an_edited_job_is_there_only_once(self, stage: Stage) -> None:
        job = stage.job("once")
        stage.put(job)

        stage.admin.edit(job.id, stage.rewrite(job, "still once"))

        assert [listed.id for listed in stage.admin.list(stage.queue)] == [job.id]

    def test_an_edit_that_is_refused_loses_nothing(self, stage: Stage) -> None:
        job = stage.job("precious")
        stage.put(job)
        big = replace(job, body=b"x" * (stage.owner.capabilities.max_body + 1))

        with pytest.raises(JobTooBigError):
            stage.admin.edit(job.id, big)

        assert stage.drain() == ["precious"]
