"""What goes over the line: how many round trips, and what becomes of an answer that was lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest

from pulpo.adapter import QueueAdapter
from pulpo.adapters import open_engine
from pulpo.errors import PublishUncertainError, QueueError, QueueUnavailableError
from pulpo.identity import new_id
from pulpo.job import Job, JobState, NewJob, Settlement, Verb
from tests.lab.counted_line import CountedLine
from tests.lab.postgresql import PostgreSQL, end_session

Doors = Callable[[], QueueAdapter]


def new(text: str = "a job", **options: object) -> NewJob:
    fields: dict[str, object] = {"id": new_id(), "type": "t", "queue": "q", "body": text.encode()}
    return NewJob(**{**fields, **options})  # type: ignore[arg-type]


@pytest.fixture
def line(postgresql: PostgreSQL, postgresql_url: str) -> Iterator[CountedLine]:
    with CountedLine(postgresql.port) as line:
        yield line


@pytest.fixture
def url(line: CountedLine) -> str:
    return f"postgresql://test@127.0.0.1:{line.port}/postgres?create=1"


@pytest.fixture
def opened(url: str) -> Iterator[Doors]:
    engine, doors = open_engine(url), []

    def open_one() -> QueueAdapter:
        doors.append(engine.adapter())
        doors[-1].exchange([], ["nothing"], limit=1, timeout=0)  # connects, and becomes an owner
        return doors[-1]

    yield open_one
    for door in doors:
        door.close()


@pytest.fixture
def adapter(opened: Doors) -> QueueAdapter:
    return opened()


@pytest.fixture
def states(postgresql_url: str) -> Iterator[Callable[[NewJob], JobState | None]]:
    admin = open_engine(postgresql_url).admin()

    def state(job: NewJob) -> JobState | None:
        found = admin.peek([job.id])[0]
        return None if found is None else found.state

    yield state
    admin.close()


def take(adapter: QueueAdapter, limit: int = 1, timeout: float = 0.0) -> list[Job]:
    return list(adapter.exchange([], ["q"], limit=limit, timeout=timeout)[1])


def trips(line: CountedLine, action: Callable[[], object]) -> int:
    before = line.trips
    action()
    return line.trips - before


# Round trips


def test_everything_of_the_hot_path_is_one_round_trip(
    line: CountedLine, adapter: QueueAdapter
) -> None:
    def settle_and_take() -> None:
        nonlocal jobs
        done = [Settlement(Verb.DELETE, job) for job in jobs]
        answers, taken = adapter.exchange(done, ["q"], limit=5, timeout=0)
        assert all(answer is True for answer in answers)
        jobs = list(taken)

    def retry_and_take() -> None:
        nonlocal jobs
        retry = [Settlement(Verb.REPLACE, jobs[0], rewritten=again)]
        retry += [Settlement(Verb.DELETE, job) for job in jobs[1:]]
        answers, taken = adapter.exchange(retry, ["q"], limit=5, timeout=0)
        assert list(answers) == [True] * 5
        jobs = list(taken)

    batch = [new(str(n)) for n in range(60)]
    again = replace(batch[5], delay=1.0)
    jobs: list[Job] = []
    adapter.put([new()])
    adapter.put([new(), new()])
    for _ in range(2):
        settle_and_take()
        take(adapter, 100)

    assert trips(line, lambda: adapter.put([new()])) == 1
    assert trips(line, lambda: adapter.put(batch)) == 1
    jobs = []
    settle_and_take()
    assert trips(line, settle_and_take) == 1
    retry_and_take()
    again = replace(again, id=jobs[0].id or "")
    assert trips(line, retry_and_take) == 1
    assert trips(line, lambda: adapter.touch(jobs)) <= 2  # the first one prepares it
    assert trips(line, lambda: adapter.touch(jobs)) == 1


def test_what_is_sent_again_and_again_is_prepared(adapter: QueueAdapter) -> None:
    adapter.put([new()])
    take(adapter)
    rows = adapter._link.query("SELECT statement FROM pg_prepared_statements")  # type: ignore[attr-defined]

    prepared = " ".join(text for (text,) in rows)

    assert "INSERT INTO pulpo.jobs" in prepared
    assert "trade_1(" in prepared


def test_a_large_batch_is_copied_in_a_few_round_trips(
    line: CountedLine, adapter: QueueAdapter
) -> None:
    adapter.put([new() for _ in range(1_000)])
    jobs = [new(str(n)) for n in range(1_000)]

    assert trips(line, lambda: adapter.put(jobs)) <= 3
    assert [job.id for job in take(adapter, 2_000)[1_000:]] == [job.id for job in jobs]


def test_a_copied_batch_with_a_job_that_is_there_makes_no_second(
    adapter: QueueAdapter,
) -> None:
    jobs = [new(str(n)) for n in range(200)]
    adapter.put(jobs[50:60])

    assert list(adapter.put(jobs)) == [job.id for job in jobs]
    assert len(take(adapter, 1_000)) == 200


def test_an_idle_worker_asks_once_in_five_seconds(line: CountedLine, adapter: QueueAdapter) -> None:
    def idle(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:  # as the worker's loop does
            assert take(adapter, 5, timeout=0.5) == []

    idle(1.0)  # the looks after leaving word are over by then

    assert trips(line, lambda: idle(4.3)) <= 1


def test_a_waiting_worker_is_rung_and_a_busy_one_is_not(
    postgresql: PostgreSQL, adapter: QueueAdapter, opened: Doors
) -> None:
    other = opened()
    with psycopg.connect(postgresql.url, autocommit=True) as listener:
        ((number,),) = listener.execute(
            "SELECT max(number) FROM pulpo.owners WHERE waiting IS NULL"
        ).fetchall()
        listener.execute(f'LISTEN "pulpo:pulpo:{number}"')

        def bells() -> int:
            return len(list(listener.notifies(timeout=0.2)))

        adapter.put([new(), new()])
        assert bells() == 0, "nobody waits"
        assert take(other, 5, timeout=0.1) != []
        assert take(other, 5, timeout=0.3) == []
        adapter.put([new()])
        assert bells() == 1
        assert len(take(other, 5, timeout=0.5)) == 1
        adapter.put([new()])
        assert bells() == 0, "it works"


def test_jobs_wake_as_many_as_are_needed(opened: Doors) -> None:
    waiting = [opened() for _ in range(4)]
    producer = opened()
    came: list[float] = []

    def work(adapter: QueueAdapter) -> None:
        if take(adapter, 1, timeout=4.0):
            came.append(time.monotonic() - started)

    threads = [threading.Thread(target=work, args=(adapter,)) for adapter in waiting]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    time.sleep(0.9)
    started = time.monotonic()
    producer.put([new() for _ in range(4)])
    for thread in threads:
        thread.join()

    assert len(came) == 4
    assert max(came) < 1.0


def test_the_dead_are_not_rung_in_place_of_the_living(opened: Doors) -> None:
    living, producer, dead = opened(), opened(), [opened() for _ in range(6)]
    for adapter in (living, *dead):
        assert take(adapter, 1, timeout=0.05) == []  # leaves word
    for adapter in dead:
        end_session(adapter._link.connection)  # type: ignore[attr-defined]
    for _ in range(5):
        thread = threading.Timer(0.7, producer.put, ([new()],))
        thread.start()
        started = time.monotonic()
        (job,) = take(living, 1, timeout=4.5)
        assert time.monotonic() - started < 1.5
        thread.join()
        living.exchange([Settlement(Verb.DELETE, job)], [], limit=0, timeout=0)


# Lost answers


def test_a_publish_whose_answer_was_lost_is_looked_up(
    line: CountedLine, adapter: QueueAdapter, states: Callable[[NewJob], JobState | None]
) -> None:
    for count in (1, 3):
        adapter.put([new() for _ in range(count)])  # which prepares it
        batch = [new() for _ in range(count)]
        line.lose_answer()
        assert list(adapter.put(batch)) == [each.id for each in batch]
        assert states(batch[-1]) is JobState.READY


def test_a_line_that_is_lost_before_a_publish_was_sent_leaves_no_doubt(
    line: CountedLine, adapter: QueueAdapter
) -> None:
    line.lose_answer()  # that it is prepared now

    with pytest.raises(QueueUnavailableError):
        adapter.put([new()])

    assert not take(adapter, 9)


def test_a_publish_that_cannot_be_looked_up_is_uncertain(
    line: CountedLine, adapter: QueueAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter.put([new()])  # which prepares it
    link = adapter._link  # type: ignore[attr-defined]
    job, real = new(), link._open
    monkeypatch.setattr(link, "_open", lambda: (_ for _ in ()).throw(QueueUnavailableError("away")))

    line.lose_answer()
    (answer,) = adapter.put([job])

    assert isinstance(answer, PublishUncertainError)
    assert answer.id == job.id
    monkeypatch.setattr(link, "_open", real)
    assert list(adapter.put([job])) == [job.id]
    assert [taken.id for taken in take(adapter, 9)].count(job.id) == 1


@pytest.mark.parametrize("verb", list(Verb))
def test_a_settlement_whose_answer_was_lost_is_looked_up_when_it_is_offered_again(
    line: CountedLine,
    adapter: QueueAdapter,
    states: Callable[[NewJob], JobState | None],
    verb: Verb,
) -> None:
    adapter.put([new()])
    adapter.exchange([Settlement(verb, take(adapter)[0], rewritten=new())], [], limit=0, timeout=0)
    (again,) = take(adapter) or [None]
    if again is not None:
        adapter.exchange([Settlement(Verb.DELETE, again)], [], limit=0, timeout=0)
    job = new()
    adapter.put([job])
    (taken,) = take(adapter)
    settlement = Settlement(verb, taken, rewritten=replace(job, body=b"again"))
    ready = {Verb.DELETE: None, Verb.BURY: JobState.BURIED}

    line.lose_answer()
    answers, _ = adapter.exchange([settlement], [], limit=0, timeout=0)
    assert isinstance(answers[0], QueueError)
    assert states(job) is ready.get(verb, JobState.READY), "it was done"

    assert adapter.exchange([settlement], [], limit=0, timeout=0)[0] == [True]
    assert states(job) is ready.get(verb, JobState.READY)


def test_a_settlement_that_did_not_arrive_is_done_when_it_is_offered_again(
    line: CountedLine, adapter: QueueAdapter, states: Callable[[NewJob], JobState | None]
) -> None:
    job = new()
    adapter.put([job])
    (taken,) = take(adapter)
    adapter._trader._unsure.add((taken.number, taken.token))  # type: ignore[attr-defined]

    answers, _ = adapter.exchange([Settlement(Verb.DELETE, taken)], [], limit=0, timeout=0)

    assert list(answers) == [True]
    assert states(job) is None


def test_jobs_that_a_lost_answer_would_have_brought_are_given_back(
    line: CountedLine, adapter: QueueAdapter
) -> None:
    job = new()
    adapter.put([job])
    take(adapter, 9, timeout=0)
    adapter.put([second := new()])

    line.lose_answer()
    with pytest.raises(QueueUnavailableError):
        take(adapter)

    (again,) = take(adapter, 9)
    assert (again.id, again.crashes) == (second.id, 0)


# Lost connections


def test_what_is_held_survives_a_lost_connection_while_nobody_comes_by(
    adapter: QueueAdapter,
) -> None:
    adapter.put([new()])
    (taken,) = take(adapter)
    end_session(adapter._link.connection)  # type: ignore[attr-defined]

    assert list(adapter.touch([taken])) == [True]
    assert adapter.exchange([Settlement(Verb.DELETE, taken)], [], limit=0, timeout=0)[0] == [True]


def test_an_idle_connection_that_was_closed_costs_a_producer_nothing(
    adapter: QueueAdapter,
) -> None:
    adapter.put([new()])
    end_session(adapter._link.connection)  # type: ignore[attr-defined]
    job = new()

    assert list(adapter.put([job])) == [job.id]


def test_a_waiting_worker_notices_that_its_connection_is_gone(
    adapter: QueueAdapter, opened: Doors
) -> None:
    producer = opened()
    connection = adapter._link.connection  # type: ignore[attr-defined]

    def disturb() -> None:
        time.sleep(0.8)
        end_session(connection)
        time.sleep(0.3)
        producer.put([new()])

    thread = threading.Thread(target=disturb)
    thread.start()
    started = time.monotonic()
    jobs = take(adapter, 1, timeout=4.5)
    thread.join()

    assert len(jobs) == 1
    assert time.monotonic() - started < 2.5
