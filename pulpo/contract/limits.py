"""Names and numbers at their limits, and beyond: refused before anything is sent."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from pulpo.contract.stage import Stage
from pulpo.errors import UsageError
from pulpo.identity import MAX_PRIORITY
from pulpo.job import Settlement, Verb

__all__ = ["LimitContract"]

WRONG_QUEUES = ["", "-first", "two words", "line\r\ndelete 1", "a\n", "ü", "a:b", "x" * 201, "\0"]
WRONG_NUMBERS: list[tuple[str, Any]] = [
    ("priority", -1),
    ("priority", MAX_PRIORITY + 1),
    ("priority", 1.5),
    ("delay", -1.0),
    ("delay", math.nan),
    ("delay", math.inf),
    ("at", math.nan),
    ("at", math.inf),
    ("ttr", 0.0),
    ("ttr", -5.0),
    ("ttr", math.nan),
    ("ttr", math.inf),
]


class LimitContract:
    """Tests of what may be asked for, and how wrong calls are refused."""

    def test_a_queue_may_have_a_name_of_200_characters(self, stage: Stage) -> None:
        name = (stage.queue + "x" * 200)[:200]
        stage.put(stage.job("long", queue=name))

        assert stage.stats(name).ready == 1
        assert stage.drain(name) == ["long"]

    def test_a_queue_may_have_every_allowed_character(self, stage: Stage) -> None:
        name = stage.queue + "AZaz09_.+/;$()-"
        job = stage.job("odd", queue=name)
        stage.put(job)

        assert name in stage.admin.queues()
        assert stage.seen(job).queue == name
        assert stage.drain(name) == ["odd"]

    def test_names_of_queues_that_differ_in_case_are_two(self, stage: Stage) -> None:
        stage.put(stage.job("low"), stage.job("up", queue=stage.queue.upper()))

        assert stage.drain() == ["low"]
        assert stage.drain(stage.queue.upper()) == ["up"]

    def test_priorities_reach_from_0_to_the_largest(self, stage: Stage) -> None:
        stage.put(
            stage.job("last", priority=MAX_PRIORITY),
            stage.job("nearly last", priority=MAX_PRIORITY - 1),
            stage.job("first", priority=0),
        )

        assert stage.drain() == ["first", "nearly last", "last"]

    @pytest.mark.parametrize("priority", [0, 1, MAX_PRIORITY])
    def test_a_priority_at_its_limit_is_shown_as_it_is(self, stage: Stage, priority: int) -> None:
        job = stage.buried(priority=priority)

        assert stage.seen(job).priority == priority

    def test_a_huge_delay_is_refused_or_kept_for_a_century(self, stage: Stage) -> None:
        job = stage.job(delay=1e12)
        try:
            stage.put(job)
        except UsageError:
            assert stage.admin.peek([job.id]) == [None]
        else:
            assert stage.seen(job).due > 100 * 365 * 86_400

    def test_the_capabilities_say_what_the_engine_can_do(self, stage: Stage) -> None:
        can = stage.owner.capabilities

        assert can.engine
        assert can.max_body >= 65_535
        assert can.delay_unit >= 0

    @pytest.mark.parametrize("name", WRONG_QUEUES)
    def test_a_wrong_queue_name_is_refused_by_put(self, stage: Stage, name: str) -> None:
        with pytest.raises(UsageError) as refusal:
            stage.owner.put([stage.job(), replace(stage.job(), queue=name)])

        assert repr(name) in str(refusal.value)
        assert stage.reserve() == []

    @pytest.mark.parametrize("name", WRONG_QUEUES)
    def test_a_wrong_queue_name_is_refused_by_exchange(self, stage: Stage, name: str) -> None:
        _, job = stage.running()

        with pytest.raises(UsageError) as refusal:
            stage.owner.exchange(
                [Settlement(Verb.DELETE, job)], [stage.queue, name], limit=1, timeout=0.0
            )

        assert repr(name) in str(refusal.value)
        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]

    @pytest.mark.parametrize("name", ["line\r\ndelete 1", "x" * 201])
    def test_a_wrong_queue_name_is_refused_by_every_verb_of_an_operator(
        self, stage: Stage, name: str
    ) -> None:
        for verb in (
            stage.admin.stats,
            stage.admin.list,
            stage.admin.kick_all,
            stage.admin.pause,
            stage.admin.resume,
        ):
            with pytest.raises(UsageError) as refusal:
                verb(name)
            assert repr(name) in str(refusal.value)

    @pytest.mark.parametrize(("field", "value"), WRONG_NUMBERS)
    def test_a_wrong_number_is_refused_by_put(self, stage: Stage, field: str, value: Any) -> None:
        with pytest.raises(UsageError) as refusal:
            stage.owner.put([stage.job(), replace(stage.job(), **{field: value})])

        assert field in str(refusal.value)
        assert repr(value) in str(refusal.value)
        assert stage.reserve() == []

    @pytest.mark.parametrize(("field", "value"), [("priority", -1), ("delay", math.nan)])
    def test_a_wrong_number_is_refused_in_a_rewritten_job(
        self, stage: Stage, field: str, value: Any
    ) -> None:
        new, job = stage.running()

        with pytest.raises(UsageError) as refusal:
            stage.settle(Settlement(Verb.REPLACE, job, rewritten=replace(new, **{field: value})))

        assert repr(value) in str(refusal.value)
        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]

    def test_a_wrong_number_is_refused_in_what_follows(self, stage: Stage) -> None:
        _, job = stage.running()

        with pytest.raises(UsageError, match="-1"):
            stage.settle(Settlement(Verb.DELETE, job, then=[replace(stage.job(), priority=-1)]))

        assert stage.settle(Settlement(Verb.DELETE, job)) == [True]
        assert stage.reserve() == []

    @pytest.mark.parametrize("body", ["text", None, 7])
    def test_a_body_that_is_not_bytes_is_refused(self, stage: Stage, body: Any) -> None:
        with pytest.raises(UsageError, match="body"):
            stage.owner.put([stage.job(), replace(stage.job(), body=body)])

        assert stage.reserve() == []

    @pytest.mark.parametrize("seconds", [-1.0, math.nan])
    def test_a_wrong_pause_is_refused(self, stage: Stage, seconds: float) -> None:
        stage.put(stage.job("runs"))

        with pytest.raises(UsageError) as refusal:
            stage.admin.pause(stage.queue, seconds)

        assert repr(seconds) in str(refusal.value)
        assert stage.drain() == ["runs"]
