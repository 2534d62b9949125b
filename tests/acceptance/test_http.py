"""A real worker of two processes, watched over real HTTP."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

import pulpo
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, until
from tests.worker import watched

MODULE = watched.__name__


class Watcher:
    """Asks a worker for its numbers, as a probe and a scraper do."""

    def __init__(self, worker: WorkerProcess) -> None:
        until(lambda: worker.said("serving"), "the line that says where it listens")
        (serving,) = worker.said("serving")
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)", serving["url"])
        assert found
        self.port = int(found[1])

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def sample(self, name: str, **labels: str) -> float | None:
        code, text = self.get("/metrics")
        assert code == 200
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return None

    def jobs(self, type: str, outcome: str, queue: str = "default") -> float:
        found = self.sample("pulpo_jobs_total", queue=queue, type=type, outcome=outcome)
        return found or 0.0


@contextmanager
def watching(place: Place, *options: str) -> Iterator[tuple[WorkerProcess, Watcher]]:
    arguments = ("--http", "0", "--grace", "20s", *options)
    with place.worker(*arguments, module=MODULE) as worker:
        yield worker, Watcher(worker)


def test_every_outcome_is_counted_over_all_processes(place: Place) -> None:
    with place.app() as app:
        app.publish_many([watched.good.message(0.02) for _ in range(60)])
        app.publish_many([watched.says.message(what) for what in ("retried", "snoozed")])
        app.publish_many([watched.says.message(what) for what in ("cancelled", "buried", "buried")])
        app.publish(watched.good.using(expires=0.001).message())
        app.publish(pulpo.Message(type="watched.was", queue="mail", body={}))
        time.sleep(0.01)
    with watching(place) as (worker, watcher):
        until(lambda: watcher.jobs("watched.good", "success", "mail") == 61, "all are counted")
        until(lambda: watcher.jobs("watched.says", "buried") == 2, "these too")

        for outcome in ("retried", "snoozed", "cancelled"):
            # Each process tells what it has counted in its own time.
            until(lambda o=outcome: watcher.jobs("watched.says", o) == 1, outcome)  # type: ignore[misc]
        until(lambda: watcher.jobs("watched.good", "expired", "mail") == 1, "the one too late")
        labels = {"queue": "mail", "type": "watched.good"}
        assert watcher.sample("pulpo_job_duration_seconds_count", **labels) == 61
        longest = watcher.sample("pulpo_job_duration_seconds_bucket", le="0.01", **labels)
        assert longest == 1, "all but the one that did not sleep"
        assert watcher.sample("pulpo_worker_processes") == 2
        assert watcher.sample("pulpo_worker_slots", kind="thread") == 16
        until(
            lambda: watcher.sample("pulpo_queue_jobs", queue="default", state="buried") == 2,
            "the depth of a queue",
        )
        assert watcher.sample("pulpo_queue_jobs", queue="default", state="delayed") == 2
        assert worker.stop() == 0


def test_a_number_is_at_most_a_second_old(place: Place) -> None:
    with place.app() as app, watching(place) as (worker, watcher):
        until(lambda: watcher.get("/readyz")[0] == 200, "ready")
        ages = []
        for number in range(1, 6):
            app.publish(watched.good.message())
            until(
                lambda n=number: watcher.jobs("watched.good", "success", "mail") == n,  # type: ignore[misc]
                "it is counted",
            )
            settled = datetime.fromisoformat(worker.said("success")[-1]["time"])
            ages.append((datetime.now(UTC) - settled).total_seconds())

    # On a busy machine one may be late by chance; of five, most only where it is made so.
    assert sorted(ages)[2] <= 1.1, ages


def test_it_is_ready_from_its_first_answer_until_it_is_told_to_stop(place: Place) -> None:
    with place.app() as app, watching(place) as (worker, watcher):
        assert watcher.get("/healthz") == (200, "alive\n")
        until(lambda: watcher.get("/readyz")[0] == 200, "ready")
        app.publish(watched.good.message(3))
        until(lambda: watcher.sample("pulpo_worker_busy_slots", kind="thread") == 1, "it runs")

        worker.send()
        until(lambda: watcher.get("/readyz") == (503, "stopping\n"), "no longer ready")
        assert watcher.get("/healthz")[0] == 200
        until(lambda: not worker.runs(), "its end")

        assert worker.said("stopped")
    assert place.stats("mail") == {
        "ready": 0,
        "delayed": 0,
        "reserved": 0,
        "buried": 0,
        "paused": False,
    }


def test_it_is_not_ready_while_its_queue_is_away(beanstalkd_place: Place) -> None:
    server = beanstalkd_place.server
    assert server is not None
    with watching(beanstalkd_place) as (_, watcher):
        until(lambda: watcher.get("/readyz")[0] == 200, "ready")
        server.stop()
        until(lambda: watcher.get("/readyz") == (503, "not ready\n"), "not ready")
        assert watcher.get("/healthz")[0] == 200
        server.start()
        until(lambda: watcher.get("/readyz")[0] == 200, "ready again")


def test_what_a_dead_process_has_counted_stays_counted(file_place: Place) -> None:
    with file_place.app() as app, watching(file_place) as (worker, watcher):
        app.publish_many([watched.good.message() for _ in range(40)])
        until(lambda: watcher.jobs("watched.good", "success", "mail") == 40, "all are counted")
        for pid in worker.children():
            os.kill(pid, signal.SIGKILL)
        until(lambda: watcher.sample("pulpo_worker_processes_died_total") == 2, "two deaths")
        app.publish_many([watched.good.message() for _ in range(5)])

        until(lambda: watcher.jobs("watched.good", "success", "mail") == 45, "the sum of all")


def test_a_replaced_process_leaves_nothing_uncounted(file_place: Place) -> None:
    with file_place.app() as app:
        app.publish_many([watched.good.message() for _ in range(60)])
    with watching(file_place, "--max-jobs", "10") as (_, watcher):
        until(lambda: watcher.jobs("watched.good", "success", "mail") == 60, "all are counted")


def test_a_frozen_process_does_not_hold_up_the_answers(file_place: Place) -> None:
    with watching(file_place) as (worker, watcher):
        until(lambda: watcher.get("/readyz")[0] == 200, "ready")
        for pid in worker.children():
            os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        codes = [watcher.get("/healthz")[0] for _ in range(20)]

        assert codes == [200] * 20
        assert time.monotonic() - started < 2


def test_an_address_that_is_taken_is_said_before_anything_starts(file_place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = file_place.pulpo("worker", MODULE, "--http", str(port))

    assert said.code == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in said.err


@pytest.mark.parametrize("address", ["http", "70000", ":80", "localhost:", "-1"])
def test_an_impossible_address_is_a_usage_error(file_place: Place, address: str) -> None:
    said = file_place.pulpo("worker", MODULE, f"--http={address}")

    assert said.code == 2
    assert "--http" in said.err
    assert "'0.0.0.0:9100'" in said.err
