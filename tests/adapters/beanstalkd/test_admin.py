"""An operator on a real beanstalkd: what is asked and written, and what others do meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

import greenstalk
import pytest

from pulpo.adapters.beanstalkd import BeanstalkdEngine
from pulpo.adapters.beanstalkd.admin import BeanstalkdAdmin
from pulpo.adapters.beanstalkd.changing import Changes
from pulpo.clock import SystemClock
from pulpo.codec import Codec
from pulpo.identity import new_id
from pulpo.job import Act, Change, JobState, NewJob
from pulpo.queue_url import QueueURL
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.processes import until


@pytest.fixture
def server(beanstalkd_program: str) -> Iterator[Beanstalkd]:
    with Beanstalkd() as running:
        yield running


@pytest.fixture
def admin(server: Beanstalkd) -> Iterator[BeanstalkdAdmin]:
    engine = BeanstalkdEngine(QueueURL.parse(server.url), clock=SystemClock())
    admin = cast(BeanstalkdAdmin, engine.admin())
    yield admin
    admin.close()


@pytest.fixture
def client(server: Beanstalkd) -> Iterator[greenstalk.Client[bytes]]:
    with greenstalk.Client(("127.0.0.1", server.port), encoding=None) as client:
        yield client


def job(queue: str = "mail") -> NewJob:
    headers = {"type": "t", "id": new_id(), "queue": queue}
    return NewJob(
        id=headers["id"], type="t", queue=queue, body=Codec().encode(headers, None), priority=1
    )


def put(client: greenstalk.Client[bytes], new: NewJob) -> int:
    client.use(new.queue)
    return client.put(new.body, new.priority)


def bury(client: greenstalk.Client[bytes], number: int) -> None:
    client.bury(client.reserve_job(number), 1)


def test_whoever_looks_again_writes_nothing_while_nobody_puts(
    admin: BeanstalkdAdmin, client: greenstalk.Client[bytes]
) -> None:
    put(client, job())
    admin.newest()
    before = client.stats()["total-jobs"]

    for _ in range(3):
        assert len(admin.newest()) == 1

    assert client.stats()["total-jobs"] == before


def test_what_is_put_between_two_looks_is_seen(
    admin: BeanstalkdAdmin, client: greenstalk.Client[bytes]
) -> None:
    for count in range(1, 4):
        new = job()
        put(client, new)

        found = admin.newest()

        assert (len(found), found[0].id) == (count, new.id)


def test_a_server_that_has_started_anew_is_noticed(
    admin: BeanstalkdAdmin, server: Beanstalkd
) -> None:
    with greenstalk.Client(("127.0.0.1", server.port), encoding=None) as client:
        for _ in range(5):
            put(client, job())
    assert len(admin.newest()) == 5

    server.kill()
    server.start()
    with greenstalk.Client(("127.0.0.1", server.port), encoding=None) as client:
        new = job()
        put(client, new)
    with suppress(Exception):  # the line of before is cut
        admin.newest()

    assert new.id in [found.id for found in admin.newest()]


def test_scattered_buried_jobs_are_all_kicked_and_no_others(
    admin: BeanstalkdAdmin, client: greenstalk.Client[bytes]
) -> None:
    queues = ["mail", "other", "mail", "mail", "other"] * 40
    numbers = [put(client, job(queue)) for queue in queues]
    client.watch("mail")
    client.watch("other")
    for place, number in enumerate(numbers):
        if place % 3:
            bury(client, number)
    expected = sum(queue == "mail" and place % 3 > 0 for place, queue in enumerate(queues))

    assert admin.kick_all("mail") == expected

    assert admin.stats("mail").buried == 0
    assert admin.stats("other").buried == sum(
        queue == "other" and place % 3 > 0 for place, queue in enumerate(queues)
    )


@pytest.mark.parametrize("act", [Act.REPLACE, Act.BURY])
def test_a_job_that_is_taken_while_its_copy_is_put_stays_with_who_took_it(
    admin: BeanstalkdAdmin,
    client: greenstalk.Client[bytes],
    monkeypatch: pytest.MonkeyPatch,
    act: Act,
) -> None:
    new, other = job(), job()
    numbers = [put(client, new), put(client, other)]
    sightings = [found.sighting for found in reversed(admin.newest())]
    delete = Changes.delete

    def taken_first(changes: Changes, doomed: list[int]) -> list[bool]:
        with suppress(greenstalk.NotFoundError):
            client.reserve_job(numbers[0])
        return delete(changes, doomed)

    monkeypatch.setattr(Changes, "delete", taken_first)

    rewritten = [NewJob(id=j.id, type="t", queue="slow", body=j.body) for j in (new, other)]
    answers = admin.change([Change(act, s, r) for s, r in zip(sightings, rewritten, strict=True)])

    assert list(answers) == [False, True]
    slow = [found for page in admin.walk("slow") for found in page.jobs]
    assert [found.id for found in slow] == [other.id]
    assert [found.state for page in admin.walk("mail") for found in page.jobs] == [
        JobState.RESERVED
    ]


def test_a_buried_job_does_not_run_because_its_move_was_cut_short(
    admin: BeanstalkdAdmin,
    client: greenstalk.Client[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = job()
    client.watch("mail")
    bury(client, put(client, new))
    (found,) = admin.newest()

    def die(changes: Changes, jobs: list[tuple[int, int]]) -> list[int]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Changes, "_bury", die)
    moved = NewJob(id=new.id, type="t", queue="slow", body=new.body)
    with pytest.raises(KeyboardInterrupt):
        admin.change([Change(Act.REPLACE, found.sighting, moved)])

    assert [job.state for job in admin.list("mail")] == [JobState.BURIED]
    (copy,) = admin.list("slow")
    assert (copy.id, copy.state) == (new.id, JobState.DELAYED)
    assert copy.due > 3_600 * 24 * 365


def test_a_walk_that_has_seen_less_than_the_server_counts_says_so(
    admin: BeanstalkdAdmin, client: greenstalk.Client[bytes]
) -> None:
    numbers = [put(client, job()) for _ in range(600)]
    pages = admin.walk("mail")

    first = next(pages)
    for number in numbers[200:300]:
        client.delete(number)
    last = [first, *pages][-1]

    assert first.unseen == 600 - len(first.jobs)
    assert last.unseen == 100


def test_a_job_whose_put_has_only_begun_is_not_there_yet(
    server: Beanstalkd, admin: BeanstalkdAdmin, client: greenstalk.Client[bytes]
) -> None:
    whole = job()
    put(client, whole)
    body = b"x" * 400  # what the server's memory holds behind the half of it, nobody knows
    with socket.create_connection(("127.0.0.1", server.port)) as producer:
        for _ in range(20):  # memory that was used before
            client.delete(client.put(b"y" * 403))
        producer.sendall(b"put 1 0 60 400\r\n" + body[:200])
        until(lambda: int(client.stats()["cmd-put"]) >= 22, "half a put")

        assert admin.peek([whole.id]) != [None]
        assert admin.peek([new_id()]) == [None]

        producer.sendall(body[200:] + b"\r\n")
        assert producer.recv(100).startswith(b"INSERTED ")
    assert len(admin.list("default")) == 1
