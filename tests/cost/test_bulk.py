"""What an act on many jobs costs: round trips and transactions, counted, whatever the time is.

A bulk kick of 50,000 jobs is to take less than 5 s on both durable engines; that needs no more of
these than are counted here for a tenth of it.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import greenstalk
import pytest

from pulpo.adapter import QueueAdapter, QueueAdmin
from pulpo.adapters import open_engine
from pulpo.adapters.beanstalkd.control import Control
from pulpo.adapters.beanstalkd.link import Awaited, Link
from pulpo.adapters.sqlite.admin import SQLiteAdmin
from pulpo.bulk import Order, carry_out, survey
from pulpo.codec import Codec
from pulpo.identity import new_ids
from pulpo.job import Act, JobState, NewJob, Settlement, Verb
from pulpo.job_filter import JobFilter
from tests.lab.beanstalkd import Beanstalkd

JOBS, PAGE, BATCH = 5_000, 250, 1_000
CODEC = Codec()
ORDER = Order(
    act=Act.KICK,
    wanted=JobFilter(queue="mail", state=JobState.BURIED, error="slow"),
    codec=CODEC,
    now=0.0,
)


def bury_many(adapter: QueueAdapter) -> None:
    jobs = [
        NewJob(
            id=each,
            type="t",
            queue="mail",
            body=CODEC.encode({"type": "t", "id": each, "queue": "mail", "errors": ["slow"]}, None),
        )
        for each in new_ids(JOBS)
    ]
    named = {job.id: job for job in jobs}
    adapter.put(jobs)
    left = JOBS
    while left:
        _, taken = adapter.exchange([], ["mail"], limit=500, timeout=5)
        found = [(job, named[str(CODEC.decode(job.body).id)]) for job in taken]
        burials = [Settlement(Verb.BURY, job, new) for job, new in found]
        adapter.exchange(burials, [], limit=0, timeout=0)
        left -= len(taken)


def kick_many(admin: QueueAdmin) -> None:
    found = survey(admin, ORDER)
    assert len(found.jobs) == JOBS
    tallies = [tally.done for tally in carry_out(admin, ORDER, found.jobs)]
    assert tallies[-1] == JOBS
    stats = admin.stats("mail")
    assert (stats.ready, stats.buried) == (JOBS, 0)


@pytest.mark.parametrize("kind", ["file", "beanstalkd"])
def test_a_walk_keeps_no_bodies(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/queue.db"
    if kind == "beanstalkd":
        url = request.getfixturevalue("server").url
    engine = open_engine(url)
    adapter, admin = engine.adapter(), engine.admin()
    body, count = "x" * 8_000, 4_000
    for each in new_ids(count):
        data = CODEC.encode({"type": "t", "id": each, "queue": "mail", "errors": ["slow"]}, body)
        adapter.put([NewJob(id=each, type="t", queue="mail", body=data)])
    adapter.close()
    order = replace(ORDER, act=Act.DELETE, wanted=JobFilter(queue="mail", error="slow"))
    tracemalloc.start()
    try:
        found = survey(admin, order)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        admin.close()

    assert len(found.jobs) == count
    assert most < count * len(body) / 3


def test_a_bulk_kick_on_a_file_is_a_transaction_a_thousand(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/queue.db")
    adapter, admin = engine.adapter(), engine.admin()
    bury_many(adapter)
    adapter.close()
    assert isinstance(admin, SQLiteAdmin)
    statements: list[str] = []
    admin._database.connection.set_trace_callback(statements.append)

    kick_many(admin)

    admin.close()
    writes = statements.count("BEGIN IMMEDIATE")
    reads = statements.count("BEGIN")
    assert writes == JOBS // BATCH
    assert reads <= JOBS // PAGE + 3


def test_all_of_a_queue_are_kicked_on_a_file_a_thousand_at_a_time(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/queue.db")
    adapter, admin = engine.adapter(), engine.admin()
    bury_many(adapter)
    adapter.close()
    assert isinstance(admin, SQLiteAdmin)
    statements: list[str] = []
    admin._database.connection.set_trace_callback(statements.append)

    assert admin.kick_all("mail") == JOBS

    stats = admin.stats("mail")
    admin.close()
    assert (stats.ready, stats.buried) == (JOBS, 0)
    assert statements.count("BEGIN IMMEDIATE") == JOBS // BATCH


def test_all_of_a_queue_are_kicked_on_beanstalkd_in_few_flights(
    server: Beanstalkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(server.url)
    adapter, admin = engine.adapter(), engine.admin()
    bury_many(adapter)
    adapter.close()
    flights, talks = count_round_trips(monkeypatch)

    assert admin.kick_all("mail") == JOBS

    admin.close()
    # Ever more at once: 1, 2, 4, ... 512, then by the thousand.
    steps = 10 + JOBS // BATCH
    assert len(talks) <= steps + 2
    assert len(flights) <= steps * 2 + JOBS // PAGE + 1


def count_round_trips(monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], list[int]]:
    """Return two lists that grow: with each flight, and with each talk on the control line."""
    flights: list[int] = []
    talks: list[int] = []
    send, talking = Link.send, Control.talking

    def counted(link: Link, commands: Sequence[bytes], awaited: Sequence[Awaited]) -> None:
        flights.append(len(commands))
        send(link, commands, awaited)

    def talked(control: Control) -> AbstractContextManager[greenstalk.Client[bytes]]:
        talks.append(1)
        return talking(control)

    monkeypatch.setattr(Link, "send", counted)
    monkeypatch.setattr(Control, "talking", talked)
    return flights, talks


def test_a_bulk_kick_on_beanstalkd_is_a_few_flights_a_thousand(
    server: Beanstalkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(server.url)
    adapter, admin = engine.adapter(), engine.admin()
    bury_many(adapter)
    adapter.close()
    flights, talks = count_round_trips(monkeypatch)

    kick_many(admin)

    admin.close()
    # A page is asked for its states, then for its bodies; numbers of copies that are gone by now
    # are asked for too, hence twice as many pages.
    assert len(flights) <= 2 * JOBS // PAGE * 2 + JOBS // BATCH + 2
    assert flights.count(BATCH) == JOBS // BATCH
    assert len(talks) <= 3
