"""Runs that somebody must be asked about: let in, refused, taken back, and ended in time."""

from __future__ import annotations

import asyncio
import io
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from pulpo.clock import ManualClock
from pulpo.errors import QueueUnavailableError
from pulpo.run import Run
from pulpo.worker.decide import Verdict, not_now
from pulpo.worker.gatekeeper import Beside, Gatekeeper, Heard, Word
from pulpo.worker.journal import Journal
from tests.worker.stage import Stage, run_of, until

Make = Callable[..., Stage]


class Rule:
    """A rule that says what a test wants it to, and keeps what it is told."""

    def __init__(self, type: str = "asked") -> None:
        self.type = type
        self.clock = ManualClock()
        self.refuses = False
        self.away: Exception | None = None
        self.opens = threading.Event()
        self.opens.set()
        self.end = math.inf
        self.asked: list[str] = []
        self.over: list[str] = []
        self.done: list[tuple[str, str]] = []

    @property
    def looks_after(self) -> bool:
        return False

    def concerns(self, run: Run) -> bool:
        return run.type.startswith(self.type)

    def ask(self, runs: Sequence[Run], beside: Beside) -> Sequence[Verdict | None]:
        self.asked += [run.id for run in runs]
        self.opens.wait(10)
        if self.away is not None:
            raise self.away
        return [
            not_now(
                run.envelope,
                "not now",
                now=self.clock.wall(),
                least=60.0,
                longest=3600.0,
                spread=0.0,
            )
            if self.refuses
            else None
            for run in runs
        ]

    def allowed_until(self, run: Run) -> float:
        return self.end

    def ended(self, runs: Sequence[Run], beside: Beside) -> None:
        self.over += [run.id for run in runs]

    def settled(self, told: Sequence[tuple[Run, Verdict]], beside: Beside) -> None:
        self.done += [(run.id, verdict.ending.value) for run, verdict in told]

    def keep(self, beside: Beside) -> None: ...


@pytest.fixture
def rule() -> Iterator[Rule]:
    made = Rule()
    yield made
    made.opens.set()


@pytest.fixture
def stage(make_stage: Make, rule: Rule) -> Stage:
    made = make_stage()
    made.rules = [rule]
    rule.clock = made.clock
    return made


def note(stage: Stage, type: str) -> tuple[Any, list[int]]:
    done: list[int] = []

    def add(n: int) -> None:
        done.append(n)

    return stage.app.job(type=type)(add), done


def ended(stage: Stage, rule: Rule) -> None:
    """Let the gate say all it has to."""
    gate = stage.worker._gate
    assert gate is not None
    until(lambda: gate.is_idle, "the gate is idle")


def test_a_worker_without_rules_has_no_gate_and_no_thread_for_one(make_stage: Make) -> None:
    stage = make_stage()
    job, done = note(stage, "plain")
    job.delay(1)

    stage.drain()

    assert done == [1]
    assert stage.worker._gate is None
    assert "pulpo-gate" not in {thread.name for thread in threading.enumerate()}


def test_a_run_that_is_let_in_runs_and_the_rule_hears_of_its_end(stage: Stage, rule: Rule) -> None:
    job, done = note(stage, "asked")
    ref = job.delay(7)

    stage.drain()
    ended(stage, rule)

    assert (done, stage.endings) == ([7], ["success"])
    assert (rule.asked, rule.over, rule.done) == ([ref.id], [ref.id], [(ref.id, "success")])


def test_a_refused_run_waits_without_spending_an_attempt_and_longer_each_time(
    stage: Stage, rule: Rule
) -> None:
    job, done = note(stage, "asked")
    rule.refuses = True
    ref = job.delay(7)
    first = stage.clock.wall()
    for _ in range(2):  # as long as it has waited so far, and a minute at least
        stage.drain()
        assert stage.headers(ref.id)["limited"] == first
        assert stage.jobs()[0].due == pytest.approx(60)
        stage.clock.advance(60)

    stage.drain()

    assert (done, stage.endings) == ([], ["limited"] * 3)
    headers = stage.headers(ref.id)
    assert (headers["limited"], headers.get("failures")) == (first, None)
    assert stage.jobs()[0].due == pytest.approx(120)
    assert rule.over == []
    rule.refuses = False
    stage.clock.advance(121)
    stage.drain()
    assert done == [7]


def test_what_was_put_back_counts_anew_once_it_has_run(stage: Stage, rule: Rule) -> None:
    rule.refuses = True

    @stage.app.job(type="asked", backoff=1)
    def fails() -> None:
        raise OSError("no")

    ref = fails.delay()
    stage.drain()
    rule.refuses = False
    stage.clock.advance(61)

    stage.drain()

    headers = stage.headers(ref.id)
    assert (headers["failures"], "limited" in headers, "turn" in headers) == (1, False, False)


def test_others_run_while_an_answer_is_awaited(stage: Stage, rule: Rule) -> None:
    asked, asked_done = note(stage, "asked")
    plain, plain_done = note(stage, "plain")
    rule.opens.clear()
    asked.delay(1)
    plain.delay(2)

    stage.tick_until(lambda: plain_done)

    assert (plain_done, asked_done) == ([2], [])
    rule.opens.set()
    stage.drain()
    assert asked_done == [1]


def test_what_waits_for_an_answer_takes_a_place(stage: Stage, rule: Rule) -> None:
    job, _ = note(stage, "asked")
    rule.opens.clear()
    job.delay_many([(n,) for n in range(20)])
    stage.tick_until(lambda: rule.asked)
    before = len(stage.worker._watch.held)

    for _ in range(3):
        stage.worker.tick()

    assert len(stage.worker._watch.held) == before < 20
    rule.opens.set()
    stage.drain()
    assert stage.endings == ["success"] * 20


def test_the_lease_of_what_waits_for_an_answer_is_renewed(stage: Stage, rule: Rule) -> None:
    job, _ = note(stage, "asked")
    rule.opens.clear()
    job.using(ttr=30).delay(1)
    stage.tick_until(lambda: rule.asked)

    stage.clock.advance(11)
    stage.worker.tick()

    assert len(stage.adapter.touched) == 1
    rule.opens.set()


def test_what_waits_for_an_answer_is_handed_back_at_a_stop(stage: Stage, rule: Rule) -> None:
    job, done = note(stage, "asked")
    rule.opens.clear()
    ref = job.delay(1)
    stage.tick_until(lambda: rule.asked)

    stage.worker.stop()
    left = stage.worker.run()

    assert (left, done, stage.state(ref.id), stage.endings) == ([], [], "ready", ["released"])
    assert "limited" not in stage.headers(ref.id)
    # The answer comes after that; whoever has let it in learns that it will not start.
    rule.opens.set()
    until(lambda: rule.over == [ref.id], "the rule hears that it is over")
    (again,) = stage.adapter.exchange([], ["default"], limit=1, timeout=0)[1]
    assert list(stage.adapter.crashes([again])) == [0]


def test_what_was_let_in_and_has_not_begun_is_handed_back_at_a_stop(
    make_stage: Make, rule: Rule
) -> None:
    stage = make_stage(threads=1)
    stage.rules = [rule]
    going = threading.Event()

    @stage.app.job(type="asked")
    def waits(n: int) -> None:
        going.wait(10)

    waits.delay_many([(n,) for n in range(3)])
    stage.tick_until(lambda: len(stage.worker._threads.running()) == 1)
    stage.worker.stop()
    stage.worker.tick()
    going.set()
    stage.worker.run()

    ended(stage, rule)
    assert sorted(stage.endings) == ["released"] * (len(rule.over) - 1) + ["success"]


def test_nobody_is_let_in_while_the_store_is_away_and_others_go_on(
    stage: Stage, rule: Rule
) -> None:
    asked, asked_done = note(stage, "asked")
    plain, plain_done = note(stage, "plain")
    rule.away = QueueUnavailableError("no such file")
    ref = asked.delay(1)
    plain.delay(2)

    stage.drain()

    assert (asked_done, plain_done) == ([], [2])
    (line,) = [line for line in stage.said if line["event"] == "limited"]
    assert line["reason"] == "whether it may start cannot be asked: no such file"
    assert 0.9 <= stage.jobs()[0].due <= 1.1
    rule.away = None
    stage.clock.advance(2)
    stage.drain()
    assert (asked_done, stage.state(ref.id)) == ([1], "gone")


def test_a_bug_in_a_rule_ends_neither_the_gate_nor_the_job(stage: Stage, rule: Rule) -> None:
    job, done = note(stage, "asked")
    rule.away = RuntimeError("a bug")
    job.delay(1)
    stage.drain()
    rule.away = None
    stage.clock.advance(2)

    stage.drain()

    assert done == [1]


def test_where_there_is_no_room_for_a_thread_the_job_is_put_back(
    stage: Stage, rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, done = note(stage, "asked")
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "pulpo-gate":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    job.delay(1)
    stage.drain()
    assert (done, stage.endings) == ([], ["limited"])
    monkeypatch.undo()
    stage.clock.advance(2)

    stage.drain()

    assert done == [1]


def test_a_burst_ends_only_when_the_gate_has_nothing_to_do(stage: Stage, rule: Rule) -> None:
    job, done = note(stage, "asked")
    ended = rule.ended

    def publish_another(runs: Sequence[Run], beside: Beside) -> None:
        time.sleep(0.05)
        if len(done) < 3:
            job.delay(len(done))
        ended(runs, beside)

    rule.ended = publish_another  # type: ignore[method-assign]
    job.delay(0)

    stage.worker.run()

    assert done == [0, 1, 2]


def test_a_coroutine_whose_permission_ends_is_cancelled_and_goes_back(
    stage: Stage, rule: Rule
) -> None:
    began = threading.Event()

    @stage.app.job(type="asked")
    async def sleeps() -> None:
        began.set()
        await asyncio.sleep(30)

    rule.end = stage.clock.monotonic() + 15
    ref = sleeps.delay()
    stage.tick_until(began.is_set)
    stage.clock.advance(8)
    stage.worker.tick()
    assert stage.endings == []

    stage.clock.advance(2)
    rule.refuses = True
    stage.tick_until(lambda: "limited" in stage.endings)

    assert stage.endings == ["released", "limited"]
    assert stage.headers(ref.id).get("failures") is None


def test_a_thread_whose_permission_ends_is_interrupted_and_goes_back(
    stage: Stage, rule: Rule
) -> None:
    began = threading.Event()

    @stage.app.job(type="asked")
    def turns() -> None:
        began.set()
        while True:
            time.sleep(0.001)

    rule.end = stage.clock.monotonic() + 15
    ref = turns.delay()
    stage.tick_until(began.is_set)
    rule.refuses = True
    stage.clock.advance(10)

    stage.tick_until(lambda: "limited" in stage.endings)

    assert stage.endings == ["released", "limited"]
    assert stage.headers(ref.id).get("failures") is None
    assert not stage.worker.retired


def test_a_process_ends_before_a_run_goes_on_without_permission(stage: Stage, rule: Rule) -> None:
    began, going = threading.Event(), threading.Event()

    @stage.app.job(type="asked")
    def deaf() -> None:
        began.set()
        while not going.is_set():
            try:
                time.sleep(0.001)
            except Exception:
                began.set()

    rule.end = stage.clock.monotonic() + 15
    ref = deaf.delay()
    stage.tick_until(began.is_set)
    stage.clock.advance(12.5)
    stage.worker.tick()
    assert stage.worker.retired
    assert not stage.worker.is_over()
    stage.clock.advance(1.1)

    assert stage.worker.is_over()

    assert next(iter(stage.worker._watch.held.values())).id == ref.id
    going.set()


def test_whom_a_second_rule_refuses_the_first_one_lets_out_again() -> None:
    first, second = Rule(), Rule()
    second.refuses = True
    keeper = Gatekeeper([first, second], lambda: Beside(None, None), ManualClock(), journal())  # type: ignore[arg-type]
    run = asked(1)

    ((_, verdict),) = keeper.take([Heard(Word.ASK, run)])

    assert verdict is not None
    assert first.over == [run.id]
    assert second.over == []


def test_what_a_store_that_is_away_was_not_told_is_told_once_it_is_back() -> None:
    rule, stream = Rule(), io.StringIO()
    keeper = Gatekeeper([rule], lambda: Beside(None, None), ManualClock(), journal(stream))  # type: ignore[arg-type]
    run = asked(1)
    keeper.take([Heard(Word.ASK, run)])
    real, rule.ended = rule.ended, failing  # type: ignore[method-assign]
    keeper.take([Heard(Word.ENDED, run)])
    keeper.take([])
    assert rule.over == []

    rule.ended = real  # type: ignore[method-assign]
    keeper.take([])
    keeper.take([])
    keeper.keep()
    assert len(stream.getvalue().splitlines()) == 1
    keeper.take([Heard(Word.ASK, asked(2))])

    assert rule.over == [run.id]
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("WARNING", "gate"),
        ("INFO", "gate"),
    ]


def failing(runs: Sequence[Run], beside: Beside) -> None:
    raise QueueUnavailableError("away")


def journal(stream: io.StringIO | None = None) -> Journal:
    return Journal(ManualClock(), format="json", stream=stream or io.StringIO())


def asked(number: int) -> Run:
    run = run_of(number=number)
    run.type = "asked"
    return run
