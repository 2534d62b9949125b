"""A server that never answers a poll, as one whose timers are lost or whose clock stands still."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from pulpo.adapters.beanstalkd import BeanstalkdEngine, switchboard
from pulpo.adapters.beanstalkd.adapter import BeanstalkdAdapter
from pulpo.clock import SystemClock
from pulpo.job import Job, Settlement, Verb
from pulpo.queue_url import QueueURL
from tests.adapters.beanstalkd.scripted import ScriptedServer


@contextlib.contextmanager
def mute_server(*, polls: int) -> Iterator[ScriptedServer]:
    """Run a server that answers so many polls of its first connection, each with a job, no more.

    Later connections get a job for each poll, and `reserve-job` finds what is asked for.
    """
    over = threading.Event()
    left = iter(range(polls))
    numbers = iter(range(1, 10**6))

    def answer(connection: int, command: bytes) -> bytes:
        verb, *rest = command.split()
        if verb == b"reserve-with-timeout":
            if connection == 0 and next(left, None) is None:
                over.wait(30)
                return b""
            return b"RESERVED %d 1\r\nx\r\n" % next(numbers)
        if verb == b"reserve-job":
            return b"RESERVED %b 1\r\nx\r\n" % rest[0]
        return {b"delete": b"DELETED\r\n", b"watch": b"WATCHING 2\r\n"}.get(verb, b"NOT_FOUND\r\n")

    with ScriptedServer(answer) as server:
        try:
            yield server
        finally:
            over.set()


@contextlib.contextmanager
def door(url: str) -> Iterator[BeanstalkdAdapter]:
    engine = BeanstalkdEngine(QueueURL.parse(url), clock=SystemClock())
    with contextlib.closing(engine.adapter()) as adapter:
        assert isinstance(adapter, BeanstalkdAdapter)
        yield adapter


def ask_until_a_job_comes(adapter: BeanstalkdAdapter) -> tuple[list[Job], int, float]:
    """Return the first jobs that come, how often was asked for them, and the seconds it took."""
    asked, began = 0, time.monotonic()
    jobs: list[Job] = []
    while not jobs:
        asked += 1
        jobs = list(adapter.exchange([], ["default"], limit=1, timeout=0)[1])
        assert time.monotonic() - began < 20, "it hangs on a connection that is silent"
    return jobs, asked, time.monotonic() - began


def test_a_poll_that_is_never_answered_keeps_nobody_from_the_next_job() -> None:
    with mute_server(polls=0) as server, door(server.url) as adapter:
        _, asked, took = ask_until_a_job_comes(adapter)

    assert took < 3
    assert asked <= 3, "each call waits for a while, or a worker would spin"
    assert {number for number, _ in server.commands} == {0, 1}, "one more connection is enough"


def test_a_silent_connection_without_a_job_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "SILENCE", 1.5)
    with mute_server(polls=0) as server, door(server.url) as adapter:
        ask_until_a_job_comes(adapter)
        end = time.monotonic() + 10
        while len(adapter._board.links) > 1:
            assert time.monotonic() < end, "it is kept for ever"
            adapter.exchange([], ["default"], limit=1, timeout=0.2)

        (left,) = adapter._board.links
        assert not left.awaited


def test_a_job_of_a_silent_connection_is_settled_once_that_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(switchboard, "SILENCE_WITH_JOBS", 2.5)
    with mute_server(polls=1) as server, door(server.url) as adapter:
        (held,), _, _ = ask_until_a_job_comes(adapter)
        ask_until_a_job_comes(adapter)  # and the connection of the first one is silent from now on
        settlement = Settlement(Verb.DELETE, held)
        answer: object = None
        asked, end = 0, time.monotonic() + 10
        while answer is not True:
            assert time.monotonic() < end, f"never settled: {answer}"
            assert answer is not False, "a job that is held was called lost"
            asked += 1
            (answer,), _ = adapter.exchange([settlement], [], limit=0, timeout=0.2)

    assert asked <= 20, "each call waits for a while, or a worker would spin"
    assert [command for _, command in server.commands if command.startswith(b"delete")] == [
        b"delete %d\r\n" % held.number
    ]
