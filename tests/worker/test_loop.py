"""The worker's loop on a queue in memory, tick by tick, with a clock that only the test moves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import pulpo
from pulpo import Bury, Cancel, Pulpo, Retry, Snooze
from pulpo.errors import PublishUncertainError, QueueUnavailableError, QueueUnusableError
from pulpo.job import JobState, Verb
from tests.worker.stage import Stage, until

Make = Callable[..., Stage]


def test_a_job_that_succeeds_is_deleted(stage: Stage) -> None:
    done = []
    job = stage.app.job(type="add")(lambda_free(done))
    ref = job.delay(7)

    stage.drain()

    assert (done, stage.state(ref.id), stage.endings) == ([7], "gone", ["success"])


def lambda_free(done: list[object]) -> Callable[[int], None]:
    def note(n: int) -> None:
        done.append(n)

    return note


def test_a_job_that_fails_runs_again_after_its_backoff_and_not_before(stage: Stage) -> None:
    attempts = []

    @stage.app.job(type="flaky", backoff=100)
    def flaky() -> None:
        attempts.append(pulpo.current_job().attempt)
        if len(attempts) == 1:
            raise OSError("not now")

    ref = flaky.delay()
    stage.drain()
    assert stage.state(ref.id) == "delayed"
    stage.clock.advance(89)
    stage.drain()
    assert attempts == [1]

    stage.clock.advance(22)
    stage.drain()

    assert (attempts, stage.state(ref.id)) == ([1, 2], "gone")
    assert stage.endings == ["retried", "success"]


def test_a_job_out_of_retries_is_buried_with_its_whole_story(stage: Stage) -> None:
    @stage.app.job(type="doomed", retries=2, backoff=0)
    def doomed() -> None:
        raise ValueError(f"attempt {pulpo.current_job().attempt}")

    ref = doomed.delay()
    stage.drain()

    headers = stage.headers(ref.id)
    assert (stage.state(ref.id), headers["failures"]) == ("buried", 3)
    assert [line[:22] for line in headers["errors"][:2]] == [
        "ValueError: attempt 1",
        "ValueError: attempt 2",
    ]
    assert headers["errors"][-1].startswith("Traceback")
    assert headers["errors"][-1].endswith("ValueError: attempt 3")


def test_a_kicked_job_gets_one_more_run(stage: Stage) -> None:
    @stage.app.job(type="doomed", retries=0)
    def doomed() -> None:
        raise ValueError("no")

    ref = doomed.delay()
    stage.drain()
    assert list(stage.admin.kick([ref.id])) == [True]
    stage.worker._drained = False
    stage.drain()

    assert (stage.state(ref.id), stage.headers(ref.id)["failures"]) == ("buried", 2)
    assert stage.endings == ["buried", "buried"]


@pytest.mark.parametrize(
    ("outcome", "state", "failures", "ending"),
    [
        (Retry("5m", "later"), "delayed", 1, "retried"),
        (Snooze("5m"), "delayed", None, "snoozed"),
        (Bury("broken"), "buried", 1, "buried"),
        (Cancel("not wanted"), "gone", None, "cancelled"),
        (ValueError("a value, not an error"), "gone", None, "success"),
    ],
)
def test_a_handler_says_what_becomes_of_its_job(
    stage: Stage, outcome: object, state: str, failures: int | None, ending: str
) -> None:
    @stage.app.job(type="says")
    def says() -> object:
        return outcome

    ref = says.delay()
    stage.drain()

    assert (stage.state(ref.id), stage.endings) == (state, [ending])
    if state != "gone":
        assert stage.headers(ref.id).get("failures") == failures


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), pulpo.FatalError("never")])
def test_an_error_that_is_no_exception_of_work_buries(stage: Stage, error: BaseException) -> None:
    @stage.app.job(type="odd")
    def odd() -> None:
        raise error

    ref = odd.delay()
    stage.drain()

    assert stage.state(ref.id) == "buried"


def test_an_expired_job_is_never_run(stage: Stage) -> None:
    ran = []
    job = stage.app.job(type="late")(lambda_free(ran))
    ref = job.using(expires="1m").delay(1)
    stage.clock.advance(61)

    stage.drain()

    assert (ran, stage.state(ref.id), stage.endings) == ([], "gone", ["expired"])


def test_a_type_that_nobody_knows_waits_for_its_code_and_spends_nothing(stage: Stage) -> None:
    ref = stage.app.publish(pulpo.Message(type="new.type", body={"n": 1}))
    stage.app.job(type="other")(lambda_free([]))
    stage.drain()
    headers = stage.headers(ref.id)
    assert (headers["bounces"], headers.get("failures")) == (1, None)
    done: list[object] = []
    stage.app.job(type="new.type")(lambda_free(done))
    stage.clock.advance(10)
    stage.worker._drained = False

    stage.drain()

    assert (done, stage.endings) == ([1], ["bounced", "success"])


def test_bytes_that_are_no_job_are_buried_after_five_tries(stage: Stage) -> None:
    stage.put(b"\xff not a job")
    for _ in range(5):
        stage.drain()
        stage.clock.advance(100)
        stage.worker._drained = False

    assert stage.endings == ["retried"] * 4 + ["buried"]
    (found,) = stage.jobs(JobState.BURIED)
    assert b"\xff not a job" in found.body


def test_leases_are_renewed_while_a_handler_runs(stage: Stage) -> None:
    go = threading.Event()

    @stage.app.job(type="slow", ttr=60)
    def slow() -> None:
        go.wait(10)

    ref = slow.delay()
    stage.tick_until(lambda: stage.state(ref.id) == "reserved")
    for _ in range(9):  # three minutes, a minute's lease
        stage.clock.advance(20)
        stage.worker.tick()
    assert stage.state(ref.id) == "reserved"
    go.set()
    stage.drain()

    assert stage.endings == ["success"]
    assert len(stage.adapter.touched) >= 9


def test_the_outcome_of_a_lost_lease_is_dropped(stage: Stage) -> None:
    go, lost = threading.Event(), []

    @stage.app.job(type="slow", ttr=60)
    def slow() -> None:
        go.wait(10)
        lost.append(pulpo.current_job().lost)

    ref = slow.delay()
    stage.tick_until(lambda: stage.state(ref.id) == "reserved")
    stage.clock.advance(61)
    thief = stage.app.engine.adapter()
    _, (stolen,) = thief.exchange([], ["default"], limit=1, timeout=0)
    stage.tick_until(lambda: stage.adapter.touched)
    go.set()
    stage.tick_until(lambda: stage.endings)

    assert (lost, stage.endings, stage.state(ref.id)) == ([True], ["lost"], "reserved")
    assert stolen.crashes == 1
    thief.close()


def test_a_settlement_that_nobody_knows_the_end_of_is_offered_again(stage: Stage) -> None:
    job = stage.app.job(type="add")(lambda_free([]))
    ref = job.delay(1)
    unknown = [PublishUncertainError("no answer", id="x")] * 2
    stage.adapter.answer = lambda settlement: unknown.pop() if unknown else None

    stage.drain()

    assert (stage.state(ref.id), stage.endings) == ("gone", ["success"])
    deletes = [s for offer in stage.adapter.offered for s in offer if s.verb is Verb.DELETE]
    assert len(deletes) == 3


def test_the_loop_goes_on_when_the_queue_is_back(make_stage: Make) -> None:
    stage = make_stage(burst=False)
    done: list[object] = []
    stage.app.job(type="add")(lambda_free(done)).delay(1)
    stage.adapter.refuse = QueueUnavailableError("gone for a moment")
    with pytest.raises(QueueUnavailableError):
        stage.worker.tick()
    stage.adapter.refuse = None

    stage.tick_until(lambda: stage.endings)

    assert done == [1]


def test_a_burst_that_never_reached_its_queue_says_so(stage: Stage) -> None:
    stage.adapter.refuse = QueueUnavailableError("nobody there")

    with pytest.raises(QueueUnavailableError, match="nobody there"):
        stage.worker.run()


def test_a_burst_on_a_file_that_is_no_queue_says_so(tmp_path: Path) -> None:
    file = tmp_path / "diary.db"
    file.write_text("dear diary, " * 100)
    file.chmod(0o600)
    app = Pulpo(f"sqlite:///{file}")
    app.register("t", lambda message: None)

    with app, pytest.raises(QueueUnavailableError, match="not a SQLite file"):
        app.run_worker(burst=True)


def test_stop_hands_back_what_has_not_begun_and_lets_the_rest_finish(make_stage: Make) -> None:
    stage = make_stage(burst=False, threads=1)
    begun, go = threading.Event(), threading.Event()

    @stage.app.job(type="slow")
    def slow(n: int) -> None:
        begun.set()
        go.wait(10)

    stage.worker._room._seconds = 0.0001  # short jobs until now: it takes some ahead
    refs = slow.delay_many([(n,) for n in range(4)])
    stage.tick_until(begun.is_set)
    stage.worker.stop()
    stage.worker.tick()
    stage.worker.tick()
    assert [stage.state(ref.id) for ref in refs] == ["reserved", "ready", "ready", "ready"]
    go.set()

    assert stage.worker.run() == []
    assert stage.state(refs[0].id) == "gone"
    assert "failures" not in stage.headers(refs[1].id)


def test_what_still_runs_at_the_end_of_the_grace_is_returned(make_stage: Make) -> None:
    stage = make_stage(burst=False, grace=0.0)
    begun, go = threading.Event(), threading.Event()

    @stage.app.job(type="slow")
    def slow() -> None:
        begun.set()
        go.wait(10)

    slow.delay()
    stage.tick_until(begun.is_set)
    stage.worker.stop()

    left = stage.worker.run()

    assert len(left) == 1
    go.set()


def test_the_most_urgent_job_goes_first_over_several_queues(make_stage: Make) -> None:
    stage = make_stage(threads=1)
    order: list[str] = []

    for queue in ("mail", "reports"):
        stage.app.job(type=f"in.{queue}", queue=queue)(appender(order))
    for queue, priority in [("mail", 30), ("reports", 10), ("mail", 20), ("reports", 40)]:
        message = pulpo.Message(
            type=f"in.{queue}", body={"name": f"{queue} {priority}"}, priority=priority
        )
        stage.app.publish(message)
    stage.drain()

    assert order == ["reports 10", "mail 20", "mail 30", "reports 40"]


def appender(order: list[str]) -> Callable[[str], None]:
    def note(name: str) -> None:
        order.append(name)

    return note


def test_one_thread_never_runs_two_jobs_at_once(make_stage: Make) -> None:
    stage = make_stage(threads=1)
    running, most = [0], [0]

    @stage.app.job(type="count")
    def count(n: int) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.0005)
        running[0] -= 1

    count.delay_many([(n,) for n in range(100)])
    stage.drain()

    assert most == [1]
    assert len(stage.endings) == 100


def test_a_slow_job_does_not_hold_fast_ones_that_came_with_it(make_stage: Make) -> None:
    stage = make_stage(burst=False, threads=2)
    go, done = threading.Event(), []

    @stage.app.job(type="mixed")
    def mixed(n: int) -> None:
        if n == 0:
            go.wait(10)
        done.append(n)

    stage.worker._room._seconds = 0.0001
    mixed.delay_many([(n,) for n in range(50)])
    stage.tick_until(lambda: len(done) == 49)

    assert 0 not in done
    go.set()
    stage.tick_until(lambda: len(stage.endings) == 50)


def test_functions_and_coroutines_run_in_one_worker_at_the_same_time(make_stage: Make) -> None:
    stage = make_stage(burst=False)
    both = threading.Barrier(2)

    @stage.app.job(type="plain")
    def plain() -> None:
        both.wait(10)

    @stage.app.job(type="later", queue="async")
    async def later() -> None:
        await asyncio.get_running_loop().run_in_executor(None, both.wait, 10)

    plain.delay()
    later.delay()
    stage.tick_until(lambda: len(stage.endings) == 2)

    assert stage.endings == ["success", "success"]


def test_a_coroutine_over_its_timeout_is_cancelled_and_tried_again(make_stage: Make) -> None:
    stage = make_stage(burst=False)
    began = threading.Event()

    @stage.app.job(type="stuck", timeout=30, backoff=100)
    async def stuck() -> None:
        began.set()
        await asyncio.sleep(3600)

    ref = stuck.delay()
    stage.tick_until(began.is_set)
    stage.clock.advance(31)
    stage.tick_until(lambda: stage.endings)

    assert (stage.state(ref.id), stage.endings) == ("delayed", ["retried"])
    assert "timed out after 30s" in stage.headers(ref.id)["errors"][-1]


def test_a_thread_over_its_timeout_is_interrupted_where_it_is_in_python(make_stage: Make) -> None:
    stage = make_stage(burst=False)
    began = threading.Event()

    @stage.app.job(type="stuck", timeout=30, retries=0)
    def stuck() -> None:
        began.set()
        while True:
            time.sleep(0.001)

    ref = stuck.delay()
    stage.tick_until(began.is_set)
    stage.clock.advance(31)
    stage.tick_until(lambda: stage.endings)

    assert stage.state(ref.id) == "buried"
    assert "timed out after 30s" in stage.headers(ref.id)["errors"][-1]
    assert "time.sleep(0.001)" in stage.headers(ref.id)["errors"][-1]


def test_a_run_that_cannot_be_ended_is_settled_and_costs_the_worker(make_stage: Make) -> None:
    stage = make_stage(burst=False, grace=50.0)
    began, go = threading.Event(), threading.Event()

    @stage.app.job(type="deaf", timeout=30, backoff=0)
    def deaf() -> None:
        began.set()
        go.wait(20)  # in C: no exception reaches it

    ref = deaf.delay()
    stage.tick_until(began.is_set)
    stage.clock.advance(31)

    def gone() -> bool:
        stage.clock.advance(1)
        return stage.endings == ["retried"]

    stage.tick_until(gone)
    go.set()

    assert stage.worker.retired
    assert stage.worker.run() == []
    (found,) = stage.admin.peek([ref.id])
    assert found is not None
    assert found.due > 40  # the grace: until then this process may still run it
    until(lambda: not stage.worker._threads.in_hand)


def test_async_jobs_in_a_queue_of_plain_types_wait_where_they_are(make_stage: Make) -> None:
    stage, go = make_stage(burst=False, async_slots=1, queues=("default",)), threading.Event()

    @stage.app.job(type="plain")
    def plain() -> None: ...

    @stage.app.job(type="slow", queue="elsewhere")
    async def slow() -> None:
        await asyncio.to_thread(go.wait, 10)

    for _ in range(3):
        slow.using(queue="default").delay()
    stage.tick_until(lambda: stage.worker._coroutines.running(), "one runs")
    for _ in range(10):
        stage.worker.tick()

    released = stage.endings.count("released")
    assert released <= 2
    go.set()
    stage.tick_until(lambda: stage.endings.count("success") == 3, "all done")


def test_coroutines_that_outlast_the_grace_are_cancelled_and_go_back(make_stage: Make) -> None:
    stage, cleaned = make_stage(burst=False, grace=10.0), threading.Event()

    @stage.app.job(type="sleeps", retries=0)
    async def sleeps() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            cleaned.set()

    ref = sleeps.delay()
    stage.tick_until(lambda: stage.worker._coroutines.running(), "it runs")
    stage.worker.stop()
    stage.worker.tick()
    assert not stage.worker.is_over()
    stage.clock.advance(10.5)

    assert not stage.worker.is_over()
    stage.tick_until(stage.worker.is_over, "its end")

    assert cleaned.is_set()
    assert (stage.endings, stage.state(ref.id)) == (["released"], "ready")


@pytest.mark.parametrize("burst", [True, False])
def test_a_queue_that_will_never_be_one_is_not_waited_for(make_stage: Make, burst: bool) -> None:
    stage = make_stage(burst=burst)
    stage.adapter.refuse = QueueUnusableError("no queue")

    with pytest.raises(QueueUnusableError):
        stage.worker.run()
