"""A connection that has left a doubt is closed: a late answer belongs to nobody."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from pulpo.adapters.beanstalkd import BeanstalkdEngine
from pulpo.adapters.beanstalkd.adapter import BeanstalkdAdapter
from pulpo.clock import SystemClock
from pulpo.errors import JobTooBigError, PublishUncertainError
from pulpo.job import NewJob
from pulpo.queue_url import QueueURL
from tests.adapters.beanstalkd.scripted import Answer, ScriptedServer
from tests.lab.processes import until


def job(name: str) -> NewJob:
    return NewJob(id=name, type="t", queue="default", body=name.encode())


@contextlib.contextmanager
def talking(
    answer: Answer, *, patience: float
) -> Iterator[tuple[ScriptedServer, BeanstalkdAdapter]]:
    """Give a server that answers so, and a door to it that waits so long for an answer."""
    clock = SystemClock()
    with ScriptedServer(answer) as server:
        engine = BeanstalkdEngine(QueueURL.parse(server.url), clock=clock)
        adapter = BeanstalkdAdapter(engine._open_link, clock, reply_timeout=patience)
        with contextlib.closing(adapter):
            yield server, adapter


def test_a_late_answer_to_a_put_is_not_taken_for_that_to_the_next() -> None:
    late = threading.Event()

    def answer(_: int, command: bytes) -> bytes:
        if b"one" in command:
            late.wait(30)
            return b"INSERTED 1\r\n"
        return b"JOB_TOO_BIG\r\n"

    with talking(answer, patience=1.0) as (server, adapter):
        (first,) = adapter.put([job("one")])
        assert isinstance(first, PublishUncertainError)
        # While the next put waits for its own: an answer that is there before it could be seen.
        timer = threading.Timer(0.3, late.set)
        timer.start()

        (second,) = adapter.put([job("two")])

        timer.join()
        assert isinstance(second, JobTooBigError)
        assert [number for number, _ in server.commands] == [0, 1]
        until(lambda: server.closed == [0], "the end of the doubt", patience=10)


@pytest.mark.parametrize(
    "said",
    [b"INSERTED\r\n", b"INSERTED x\r\n", b"USING default\r\n", b"OK 5\r\nabcdefg"]
    + [b"\x00\xff\r\n", b"x" * 1_000],
)
def test_an_odd_answer_to_a_put_ends_its_connection(said: bytes) -> None:
    with talking(lambda *_: said, patience=5.0) as (server, adapter):
        (answer,) = adapter.put([job("one")])

        assert isinstance(answer, PublishUncertainError)
        until(lambda: server.closed == [0], "the end of the connection", patience=10)


def test_after_an_answer_too_many_the_next_put_has_a_new_connection() -> None:
    def answer(number: int, command: bytes) -> bytes:
        return b"INSERTED 1\r\nINSERTED 2\r\n" if number == 0 else b"JOB_TOO_BIG\r\n"

    with talking(answer, patience=5.0) as (server, adapter):
        adapter.put([job("one")])

        (second,) = adapter.put([job("two")])

        assert isinstance(second, JobTooBigError)
        assert [number for number, _ in server.commands] == [0, 1]


def test_a_put_that_the_server_has_buried_is_uncertain_and_left_alone() -> None:
    def answer(_: int, command: bytes) -> bytes:
        return b"BURIED 7\r\n" if command.startswith(b"put ") else b"DELETED\r\n"

    with talking(answer, patience=5.0) as (server, adapter):
        (uncertain,) = adapter.put([job("one")])

        # Its binlog could not be written: the job is in its memory only. A delete of it would
        # leave a freed job among the ready ones, of which the server dies.
        assert isinstance(uncertain, PublishUncertainError)
        assert uncertain.id == "one"
        assert [command.split()[0] for _, command in server.commands] == [b"put"]
        assert server.closed == []
