"""A server that does not answer, or not in time: who waits beats, and every error says where."""

from __future__ import annotations

import itertools
import os
import resource
import socket
import threading
import time
from contextlib import ExitStack, closing

import psycopg
import pytest

from pulpo.adapters import open_engine
from pulpo.adapters.postgresql import PostgreSQLEngine
from pulpo.errors import QueueUnavailableError
from pulpo.identity import new_id
from pulpo.job import NewJob
from tests.lab.postgresql import PostgreSQL


def new(text: str = "a job") -> NewJob:
    return NewJob(id=new_id(), type="t", queue="q", body=text.encode())


def test_whoever_waits_for_a_lock_beats(postgresql: PostgreSQL, postgresql_url: str) -> None:
    beats: list[float] = []
    engine = open_engine(postgresql_url)
    with closing(engine.adapter(beat=lambda: beats.append(time.monotonic()))) as adapter:
        adapter.put([new()])
        with psycopg.connect(postgresql.url) as other:
            other.execute("LOCK TABLE pulpo.jobs")
            end = threading.Timer(2.5, other.rollback)
            end.start()
            before = len(beats)
            assert len(adapter.put([new()])) == 1
            end.join()

    assert len(beats) - before >= 2


def test_whoever_waits_for_a_server_that_says_nothing_beats() -> None:
    beats: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/db?connect_timeout=2"
        adapter = open_engine(url).adapter(beat=lambda: beats.append(time.monotonic()))

        with pytest.raises(QueueUnavailableError, match="timeout"):
            adapter.put([new()])
        adapter.close()

    assert len(beats) >= 4
    assert max(b - a for a, b in itertools.pairwise(beats)) < 1.5


def test_a_server_that_is_not_there_is_out_of_reach(postgresql_url: str) -> None:
    adapter = open_engine("postgresql://test@127.0.0.1:1/postgres").adapter()

    with pytest.raises(QueueUnavailableError, match=r"out of reach.*127.0.0.1:1"):
        adapter.put([new()])


def test_no_error_shows_a_password() -> None:
    engine = open_engine("postgresql://me:s3cret@127.0.0.1:1/postgres?sslpassword=hidden")
    assert isinstance(engine, PostgreSQLEngine)

    with pytest.raises(QueueUnavailableError) as refusal:
        engine.adapter().put([new()])

    for secret in ("s3cret", "hidden"):
        assert secret not in f"{refusal.value} {engine.address!r}"


def test_whoever_sends_much_to_a_frozen_server_beats_and_sends_it_all(
    postgresql_url: str,
) -> None:
    beats: list[float] = []
    with PostgreSQL() as server:
        engine = open_engine(f"{server.url}?create=1&max_job_size=40000000")
        with closing(engine.adapter(beat=lambda: beats.append(time.monotonic()))) as adapter:
            adapter.put([new()])
            server.freeze()
            thawing = threading.Timer(2.5, server.thaw)
            thawing.start()
            beats.clear()

            # Larger than what a line holds between two ends.
            assert len(adapter.put([big := new("x" * 30_000_000)])) == 1

            thawing.join()
            assert len(beats) >= 2
            _, taken = adapter.exchange([], ["q"], limit=2, timeout=0)
            assert taken[1].body == big.body


def test_without_a_descriptor_the_server_is_out_of_reach_and_not_an_error_of_the_system(
    postgresql_url: str,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with closing(open_engine(postgresql_url).adapter()) as adapter, ExitStack() as stack:
        adapter.put([new()])
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        taken = os.open(os.devnull, os.O_RDONLY)
        stack.callback(os.close, taken)
        # One is left for the socket, and none to wait for it.
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 2, hard))
        adapter._link.drop()  # type: ignore[attr-defined]
        stack.callback(os.close, os.dup(taken))

        with pytest.raises(QueueUnavailableError):
            adapter.put([new()])
