"""What a publish costs: the limits are a little over what it costs today."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import pulpo
from tests.cost.counting import calls_in, kernel_calls_a_job
from tests.lab.beanstalkd import Beanstalkd

pytestmark = pytest.mark.usefixtures("strace")


def calls_a_job(
    url: str, publish: Callable[[pulpo.JobFunction[[int], None], int], object]
) -> float:
    """Return how many Python functions are called for one job."""
    with pulpo.Pulpo(url) as app:

        @app.job(type="noop")
        def noop(n: int) -> None: ...

        publish(noop, 10)  # what happens once only
        few = calls_in(lambda: publish(noop, 100))
        many = calls_in(lambda: publish(noop, 600))
    return (many - few) / 500


def one_by_one(function: pulpo.JobFunction[[int], None], count: int) -> None:
    for number in range(count):
        function.delay(number)


def in_one_go(function: pulpo.JobFunction[[int], None], count: int) -> None:
    function.delay_many([(number,) for number in range(count)])


def test_one_to_beanstalkd_is_one_write_one_read_and_few_calls(
    server: Beanstalkd, tmp_path: Path
) -> None:
    calls, moved = kernel_calls_a_job(tmp_path, server.url, "publish", few=50, many=250)

    assert (calls["sendto"], calls["recvfrom"]) == (1, 1), "one round trip"
    assert sum(calls.values()) <= 6.2
    assert moved["sendto"] <= 85
    assert calls_a_job(server.url, one_by_one) <= 32


def test_one_to_a_file_is_one_sync_and_few_calls(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/queue.db"
    calls, moved = kernel_calls_a_job(tmp_path, url, "publish", few=50, many=250)

    synced = calls.get("fdatasync", 0) + calls.get("fsync", 0)
    assert 0.95 <= synced <= 1.05, "each is on the disk before it is accepted"
    assert sum(calls.values()) <= 27
    assert moved["pwrite64"] <= 16_000
    assert calls_a_job(url, one_by_one) <= 51


def test_one_to_a_file_is_not_synced_where_that_is_not_wanted(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/queue.db?sync=normal"
    calls, _ = kernel_calls_a_job(tmp_path, url, "publish", few=50, many=250)

    assert calls.get("fdatasync", 0) + calls.get("fsync", 0) <= 0.05


def test_many_in_one_go_share_their_round_trip_and_their_sync(
    server: Beanstalkd, tmp_path: Path
) -> None:
    assert calls_a_job(server.url, in_one_go) <= 10
    assert calls_a_job(f"sqlite:///{tmp_path}/queue.db", in_one_go) <= 8
