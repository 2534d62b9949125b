"""The contract on three beanstalkds as one queue, and what is their own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import cast

import pytest

from pulpo.adapter import Engine, QueueAdapter
from pulpo.adapters.shards import ShardedEngine
from pulpo.adapters.shards.adapter import ShardedAdapter
from pulpo.clock import Clock
from pulpo.contract import AdapterContract, Stage
from pulpo.contract.stage import PATIENCE
from pulpo.job import Job, JobState
from pulpo.queue_url import QueueURL
from tests.lab.beanstalkd import Beanstalkd

COUNT = 3
# Equally urgent jobs come in the order of their arrival from each server, not from all of them.
# These tests expect more, and run on one server instead; see TestOneShard.
BY_ARRIVAL = (
    "test_what_goes_before_a_job_is_counted",
    "test_the_newest_jobs_come_first",
    "test_ready_jobs_are_listed_in_the_order_in_which_they_would_run",
    "test_a_list_has_a_limit",
    "test_every_job_of_a_dead_owner_comes_back",
    "test_closing_gives_back_at_once_what_is_held",
    "test_two_owners_never_hold_the_same_job",
    "test_a_released_job_has_its_old_place",
    "test_a_mixed_batch_does_each_thing",
    "test_equally_urgent_jobs_of_a_batch_come_in_the_order_of_arrival",
    "test_equally_urgent_jobs_come_in_the_order_of_arrival_across_batches",
    "test_arrival_counts_over_several_producers",
    "test_an_urgent_job_overtakes_what_waits_already",
    "test_over_several_queues_equally_urgent_jobs_come_in_the_order_of_arrival",
    "test_no_more_jobs_are_reserved_than_asked_for",
    "test_one_large_reserve_comes_in_order",
    "test_released_jobs_are_in_their_old_order",
    "test_one_batch_may_go_to_several_queues",
    "test_a_batch_of_a_thousand_jobs_keeps_its_order",
    "test_many_large_bodies_in_one_batch_all_arrive",
    "test_a_body_that_is_too_big_is_refused_in_its_place",
    "test_a_job_that_will_expire_comes_in_its_order",
    "test_a_released_job_comes_before_those_behind_it_in_the_same_exchange",
)


@pytest.fixture(scope="module")
def servers(beanstalkd_program: str) -> Iterator[list[Beanstalkd]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Beanstalkd()) for _ in range(COUNT)]


def url_of(servers: list[Beanstalkd]) -> str:
    return "beanstalkd://" + ",".join(server.url.partition("://")[2] for server in servers)


class TestOneShard(AdapterContract):
    @pytest.fixture(autouse=True)
    def begins_with_the_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # So that the tests below find the same order each time.
        monkeypatch.setattr("pulpo.adapters.shards.adapter.first_turn", lambda: 0)

    @pytest.fixture
    def engine(self, servers: list[Beanstalkd], clock: Clock) -> Engine:
        return ShardedEngine(QueueURL.parse(servers[0].url), clock=clock)

    def crash(self, adapter: QueueAdapter) -> None:
        for server in cast(ShardedAdapter, adapter)._members:
            for link in list(server.door._board.links):
                link.sock.shutdown(socket.SHUT_WR)
                link.sock.settimeout(PATIENCE)
                while link.sock.recv(65_536):
                    pass

    def expire_lease(self, stage: Stage, adapter: QueueAdapter, job: Job) -> None:
        stage.advance(stage.lease + 0.05)
        for _ in range(100):
            adapter.exchange([], [stage.other], limit=1, timeout=0.0)
            listed = stage.admin.list(stage.queue, JobState.RESERVED)
            if job.number not in [held.number for held in listed]:
                return
            stage.advance(0.02)
        raise AssertionError("the lease did not run out")


class TestShards(TestOneShard):
    @pytest.fixture
    def engine(self, servers: list[Beanstalkd], clock: Clock) -> Engine:
        return ShardedEngine(QueueURL.parse(url_of(servers)), clock=clock)


for _name in BY_ARRIVAL:
    assert hasattr(AdapterContract, _name), _name
    setattr(TestShards, _name, None)
