"""Polls that are asked ahead: the server looks for the next jobs while the last ones run."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from pulpo.adapters.beanstalkd import BeanstalkdEngine
from pulpo.adapters.beanstalkd.adapter import BeanstalkdAdapter
from pulpo.adapters.beanstalkd.link import Awaited
from pulpo.clock import SystemClock
from pulpo.errors import QueueUnavailableError
from pulpo.job import Job, NewJob, Settlement, Verb
from pulpo.queue_url import QueueURL
from tests.adapters.beanstalkd.scripted import Answer, ScriptedServer
from tests.lab.beanstalkd import Beanstalkd


@pytest.fixture
def server() -> Iterator[Beanstalkd]:
    with Beanstalkd() as running:
        yield running


@contextlib.contextmanager
def door(url: str) -> Iterator[BeanstalkdAdapter]:
    engine = BeanstalkdEngine(QueueURL.parse(url), clock=SystemClock())
    with contextlib.closing(engine.adapter()) as adapter:
        assert isinstance(adapter, BeanstalkdAdapter)
        yield adapter


def jobs(count: int) -> list[NewJob]:
    return [NewJob(id=f"job-{n}", type="t", queue="default", body=b"%d" % n) for n in range(count)]


def done(taken: list[Job]) -> list[Settlement]:
    return [Settlement(Verb.DELETE, job) for job in taken]


def answering(last: threading.Event, held_from: int) -> Answer:
    """Give jobs without an end; those from a number on only when the event has come."""
    numbers = iter(range(1, 10**6))

    def answer(_: int, command: bytes) -> bytes:
        verb = command.split()[0]
        if verb == b"reserve-with-timeout":
            number = next(numbers)
            if number >= held_from:
                last.wait(30)
            return b"RESERVED %d 1\r\nx\r\n" % number
        return {b"delete": b"DELETED\r\n", b"touch": b"TOUCHED\r\n"}.get(verb, b"NOT_FOUND\r\n")

    return answer


def taken_twice(adapter: BeanstalkdAdapter) -> tuple[list[Job], list[Job]]:
    """Reserve 20 jobs, in growing flights; then settle them and reserve up to 40."""
    first: list[Job] = []
    while len(first) < 20:
        _, more = adapter.exchange([], ["default"], limit=20 - len(first), timeout=0)
        first += more
    answers, second = adapter.exchange(done(first), ["default"], limit=40, timeout=0)
    assert answers == [True] * 20
    return first, list(second)


def test_the_first_half_of_what_was_asked_comes_without_waiting_for_the_other() -> None:
    late = threading.Event()
    with ScriptedServer(answering(late, held_from=40)) as server, door(server.url) as adapter:
        _, half = taken_twice(adapter)  # while the server still keeps the other half back

        assert 0 < len(half) < 20
        late.set()
        _, rest = adapter.exchange([], ["default"], limit=40 - len(half), timeout=0)
        assert [job.number for job in (*half, *rest)] == list(range(21, 21 + len(half) + len(rest)))


def test_a_lease_is_renewed_although_answers_are_still_to_come() -> None:
    late = threading.Event()
    with ScriptedServer(answering(late, held_from=40)) as server, door(server.url) as adapter:
        _, half = taken_twice(adapter)
        timer = threading.Timer(0.2, late.set)
        timer.start()

        assert adapter.touch(half) == [True] * len(half)
        timer.join()
        assert {number for number, _ in server.commands} == {0}, "no second connection for it"


def test_what_was_asked_ahead_goes_back_unspent_when_the_door_closes(server: Beanstalkd) -> None:
    with door(server.url) as adapter:
        adapter.put(jobs(200))
        _, half = taken_twice(adapter)
        assert adapter._board.ahead or adapter._board.arrived, "there is something ahead"
        adapter.exchange(done(half), [], limit=0, timeout=0)

    with door(server.url) as other:
        left: list[Job] = []
        while batch := other.exchange([], ["default"], limit=200, timeout=0)[1]:
            left += batch
        assert len(left) == 200 - 20 - len(half)
        assert set(other.crashes(left)) == {0}


def all_the_rest(adapter: BeanstalkdAdapter) -> list[bytes]:
    left: list[bytes] = []
    while batch := adapter.exchange([], ["default"], limit=200, timeout=0)[1]:
        left += [job.body for job in batch]
    return left


def in_order(first: int, past: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, past)]


def test_a_job_that_is_released_comes_before_what_was_asked_ahead_of_its_release(
    server: Beanstalkd,
) -> None:
    with door(server.url) as adapter:
        adapter.put(jobs(200))
        _, half = taken_twice(adapter)
        assert adapter._board.arrived or adapter._board.ahead, "there is something ahead"
        *run, unbegun = half
        told = [*done(run), Settlement(Verb.RELEASE, unbegun)]
        _, next_ones = adapter.exchange(told, ["default"], limit=40, timeout=0)

        found = [job.body for job in next_ones] + all_the_rest(adapter)
        assert found == in_order(int(unbegun.body), 200)


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_nothing_is_lost_when_the_line_breaks_while_jobs_go_back(
    server: Beanstalkd, cut: int
) -> None:
    with door(server.url) as adapter:
        adapter.put(jobs(200))
        _, half = taken_twice(adapter)
        assert adapter._board.arrived or adapter._board.ahead, "there is something ahead"
        told = [Settlement(Verb.RELEASE, job) for job in half]
        (link,) = adapter._board.links
        send, left = link.send, [cut]

        def send_some(orders: Sequence[bytes], awaited: Sequence[Awaited]) -> None:
            if not orders[0].startswith(b"release"):
                return send(orders, awaited)
            # So many bytes get through, and then the line is dead.
            link.sock.sendall(b"".join(orders)[: left.pop()])
            link.sock.shutdown(socket.SHUT_RDWR)
            raise QueueUnavailableError("cut")

        link.send = send_some  # type: ignore[method-assign]
        adapter.exchange(told, ["default"], limit=0, timeout=0)
        assert not left, "it was cut"
        # Whoever has no answer asks again; what has gone back by the cut is no longer his.
        answers, _ = adapter.exchange(told, [], limit=0, timeout=0)
        assert all(isinstance(answer, bool) for answer in answers)

        assert all_the_rest(adapter) == in_order(20, 200)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_doubled_or_over_the_limit_whatever_is_asked_meanwhile(
    server: Beanstalkd, seed: int
) -> None:
    chosen = random.Random(seed)
    seen: Counter[bytes] = Counter()
    released: Counter[bytes] = Counter()
    held: list[Job] = []
    with door(server.url) as adapter:
        adapter.put(jobs(3_000))
        empty = 0
        while empty < 3:
            share = chosen.choice((0.0, 0.1, 0.9, 1.0))
            now, held = held[: int(len(held) * share)], held[int(len(held) * share) :]
            verbs = [
                Verb.RELEASE if chosen.random() < 0.02 and not released[job.body] else Verb.DELETE
                for job in now
            ]
            limit = chosen.choice((0, 1, 30, 250, 250))
            told = [Settlement(verb, job) for verb, job in zip(verbs, now, strict=True)]
            answers, more = adapter.exchange(told, ["default"], limit=limit, timeout=0)
            assert answers == [True] * len(now)
            assert len(more) <= limit
            released.update(
                job.body for verb, job in zip(verbs, now, strict=True) if verb is Verb.RELEASE
            )
            seen.update(job.body for job in more)
            held += more
            if chosen.random() < 0.2:
                assert set(adapter.touch(held)) <= {True}
            if chosen.random() < 0.1 and held:
                assert set(adapter.crashes(held)) == {0}
            empty = empty + 1 if limit and not more and not held else 0
        assert len(adapter._board.links) <= 2

    assert seen == Counter({b"%d" % n: 1 for n in range(3_000)}) + released
