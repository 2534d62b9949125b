"""What a server never says ends the connection, and what was under way on it stays in doubt."""

from __future__ import annotations

import contextlib

import pytest

from pulpo.adapters import open_engine
from pulpo.errors import PublishUncertainError, QueueUnavailableError
from pulpo.job import Job, NewJob, Settlement, Verb
from tests.adapters.beanstalkd.scripted import Answer, ScriptedServer
from tests.adapters.beanstalkd.test_doubts import job, talking
from tests.lab.processes import until

OLD = Job(number=7, body=b"old", queue="default")


def delivering(answer: Answer) -> Answer:
    """Give a job to the first who asks."""
    given: list[int] = []

    def first(number: int, command: bytes) -> bytes:
        if command.startswith(b"reserve-with-timeout") and not given:
            given.append(number)
            return b"RESERVED 7 3\r\nold\r\n"
        return answer(number, command)

    return first


@pytest.mark.parametrize("odd", [b"gar bage\r\n", b"RESERVED 5 x\r\n", b"DELETED\r\n"])
def test_a_delete_that_was_answered_just_before_odd_bytes_is_not_taken_for_a_lost_lease(
    odd: bytes,
) -> None:
    def answer(number: int, command: bytes) -> bytes:
        if command.startswith(b"put "):
            return b"INSERTED 8\r\n"
        if number == 0:  # in one piece: the answer to the delete, and what nobody can read
            return b"DELETED\r\n" + odd
        return b"TIMED_OUT\r\n" if command.startswith(b"reserve-with") else b"NOT_FOUND\r\n"

    with talking(delivering(answer), patience=5.0) as (server, adapter):
        _, (reserved,) = adapter.exchange([], ["default"], limit=1, timeout=0)
        again = NewJob(id="old", type="t", queue="default", body=b"again")
        retry = Settlement(Verb.REPLACE, reserved, rewritten=again)

        (answer_to_it,), _ = adapter.exchange([retry], ["default"], limit=1, timeout=0)
        if isinstance(answer_to_it, QueueUnavailableError):  # not known yet: asked once more
            (answer_to_it,), _ = adapter.exchange([retry], ["default"], limit=1, timeout=0)

        assert answer_to_it is True
        # Its copy is the job now: to delete that one would be to lose it.
        assert b"delete 8\r\n" not in [command for _, command in server.commands]


@pytest.mark.parametrize("again", [b"INSERTED 5\r\n", b"INSERTED 4\r\n"])
def test_a_number_that_was_given_before_is_no_answer_to_the_next_put(again: bytes) -> None:
    def answer(_: int, command: bytes) -> bytes:
        return b"INSERTED 5\r\n" if b"one" in command else again

    with talking(answer, patience=5.0) as (server, adapter):
        found = adapter.put([job("one"), job("two")])

        # Which number is whose is open for both: the answers may be the wrong way round.
        assert [type(each) for each in found] == [PublishUncertainError] * 2
        until(lambda: server.closed == [0], "the end of the connection")


@pytest.mark.parametrize(
    "said", [b"BURIED\r\n", b"BURIED x\r\n", b"INSERTED " + b"9" * 30 + b"\r\n"]
)
def test_half_an_answer_to_a_put_is_a_doubt(said: bytes) -> None:
    with talking(lambda *_: said, patience=5.0) as (server, adapter):
        (answer,) = adapter.put([job("one")])

        assert isinstance(answer, PublishUncertainError)
        until(lambda: server.closed == [0], "the end of the connection")


@pytest.mark.parametrize(
    "said", [b"RESERVED 5\r\n", b"RESERVED x 1\r\ny\r\n", b"FOUND 5 1\r\ny\r\n"]
)
def test_half_an_answer_to_a_reserve_ends_the_connection_at_once(said: bytes) -> None:
    with talking(lambda *_: said, patience=5.0) as (server, adapter):
        _, jobs = adapter.exchange([], ["default"], limit=1, timeout=0)

        assert list(jobs) == []
        until(lambda: server.closed == [0], "the end of the connection")


@pytest.mark.parametrize(
    "text", [b"---\n", b"---\npri: x\n", b"---\npri: 4294967296\n", b"---\npri: -1\nreserves: x\n"]
)
def test_statistics_without_sense_end_nobody(text: bytes) -> None:
    def answer(_: int, command: bytes) -> bytes:
        if command.startswith(b"stats-job"):
            return b"OK %d\r\n%b\r\n" % (len(text), text)
        return b"TIMED_OUT\r\n"

    with talking(delivering(answer), patience=5.0) as (server, adapter):
        _, (reserved,) = adapter.exchange([], ["default"], limit=1, timeout=0)

        assert list(adapter.crashes([reserved])) == [0]
        adapter.close()

        # Its place is not known: it goes back by the end of the connection, at its own.
        until(lambda: server.closed == [0], "the end of the connection")
        assert not [command for _, command in server.commands if command.startswith(b"release")]


def test_a_job_under_another_number_is_not_taken_for_the_one_that_was_asked_for() -> None:
    def answer(number: int, command: bytes) -> bytes:
        if number == 0:
            return b"what\r\n"
        return (
            b"RESERVED 9 3\r\nold\r\n" if command.startswith(b"reserve-job") else b"TIMED_OUT\r\n"
        )

    with talking(delivering(answer), patience=5.0) as (server, adapter):
        _, (reserved,) = adapter.exchange([], ["default"], limit=1, timeout=0)
        adapter.touch([reserved])  # the end of its connection
        with contextlib.suppress(QueueUnavailableError):
            adapter.exchange([], ["default"], limit=1, timeout=0)

        until(lambda: server.closed[:2] == [0, 1], "the end of the second connection as well")


@pytest.mark.parametrize("said", [b"BURIED\r\n", b"USING q\r\n", b"WATCHING\r\n"])
def test_a_watch_that_was_answered_as_something_else_ends_the_connection(said: bytes) -> None:
    def answer(_: int, command: bytes) -> bytes:
        return said if command.startswith(b"watch") else b"WATCHING 1\r\n"

    with talking(answer, patience=5.0) as (server, adapter):
        _, jobs = adapter.exchange([], ["q", "r"], limit=1, timeout=0)

        assert list(jobs) == []
        until(lambda: server.closed == [0], "the end of the connection")


def test_what_makes_no_sense_to_an_operator_is_said_and_the_connection_closed() -> None:
    text = b"---\nstate: odd\n"

    def answer(_: int, command: bytes) -> bytes:
        return b"OK %d\r\n%b\r\n" % (len(text), text)

    with talking(answer, patience=5.0) as (server, _):
        admin = open_engine(server.url).admin()
        with pytest.raises(QueueUnavailableError, match="makes no sense"):
            admin.stats("q")

        until(lambda: server.closed == [0], "the end of the connection")
        admin.close()


@pytest.mark.parametrize("said", [b"OK 10000000000000000000\r\n", b"OK x\r\n", b"what?\r\n"])
def test_an_operator_who_is_told_nonsense_hears_that_the_queue_cannot_be_asked(said: bytes) -> None:
    with ScriptedServer(lambda number, command: said) as server:
        admin = open_engine(server.url).admin()
        with contextlib.closing(admin), pytest.raises(QueueUnavailableError):
            admin.queues()
