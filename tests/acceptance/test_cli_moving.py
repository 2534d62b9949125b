"""Commands that go on for a while: a move that is killed in the middle, and a look at arrivals."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from pulpo.adapters import open_engine
from pulpo.codec import Codec
from pulpo.identity import new_ids
from pulpo.job import NewJob
from tests.acceptance.command_line import CommandLine
from tests.lab.beanstalkd import Beanstalkd

PATIENCE = 30.0
MANY = 4_000


@pytest.fixture(params=["file", "beanstalkd"])
def pulpo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CommandLine]:
    if request.param == "file":
        yield CommandLine(tmp_path, f"sqlite:///{tmp_path}/queue.db")
        return
    request.getfixturevalue("beanstalkd_program")
    with Beanstalkd() as server:
        yield CommandLine(tmp_path, server.url)


@contextmanager
def running(pulpo: CommandLine, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command, and end it at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "pulpo", "--url", pulpo.url, *arguments],
        cwd=pulpo.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_of(stream: IO[str] | None) -> queue.Queue[str]:
    """Return what a stream says, line by line, as it comes."""
    lines: queue.Queue[str] = queue.Queue()
    assert stream is not None

    def read(stream: IO[str]) -> None:
        for line in stream:
            lines.put(line.rstrip("\n"))

    threading.Thread(target=read, args=(stream,), daemon=True).start()
    return lines


def put_many(pulpo: CommandLine) -> set[str]:
    codec = Codec()
    jobs = [
        NewJob(
            id=each,
            type="t",
            queue="mail",
            body=codec.encode({"type": "t", "id": each, "queue": "mail"}, None),
        )
        for each in new_ids(MANY)
    ]
    adapter = open_engine(pulpo.url).adapter()
    try:
        adapter.put(jobs)
    finally:
        adapter.close()
    return {job.id for job in jobs}


def test_a_move_that_is_killed_in_the_middle_loses_nothing(pulpo: CommandLine) -> None:
    put = put_many(pulpo)
    admin = open_engine(pulpo.url).admin()
    deadline = time.monotonic() + PATIENCE
    try:
        with running(pulpo, "jobs", "move", "-q", "mail", "--to", "slow", "--yes") as process:
            while not admin.stats("slow").ready:
                assert time.monotonic() < deadline
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
        found = {
            name: {job.id for page in admin.walk(name) for job in page.jobs}
            for name in ("mail", "slow")
        }

        assert found["mail"] | found["slow"] == put
        assert found["mail"], "the move was over before it was killed"
        again = pulpo("jobs", "move", "-q", "mail", "--to", "slow", "--yes")
        assert again.code == 0
        assert {job.id for page in admin.walk("slow") for job in page.jobs} == put
        assert admin.stats("mail").ready == 0
    finally:
        admin.close()


def test_jobs_are_printed_as_they_arrive_until_somebody_interrupts(pulpo: CommandLine) -> None:
    pulpo("publish", "mail.welcome", '{"n": 0}', "-q", "mail")
    arguments = ["-q", "mail", "--type", "mail.welcome", "--interval", "100ms", "--json"]
    with running(pulpo, "jobs", "tail", *arguments) as process:
        said, told = lines_of(process.stdout), lines_of(process.stderr)
        assert "waiting for jobs" in told.get(timeout=PATIENCE)
        pulpo("publish", "mail.welcome", '{"n": 1}', "-q", "other")
        pulpo("publish", "mail.digest", '{"n": 2}', "-q", "mail")
        first = pulpo("publish", "mail.welcome", '{"n": 3}', "-q", "mail").out.strip()
        second = pulpo("publish", "mail.welcome", '{"n": 4}', "-q", "mail", "--delay", "1h")

        jobs = [json.loads(said.get(timeout=PATIENCE)) for _ in range(2)]
        process.send_signal(signal.SIGINT)

        assert process.wait(PATIENCE) == 0
    assert [job["id"] for job in jobs] == [first, second.out.strip()]
    assert [(job["body"], job["state"]) for job in jobs] == [
        ({"n": 3}, "ready"),
        ({"n": 4}, "delayed"),
    ]
    assert (said.qsize(), told.qsize()) == (0, 0)


def test_a_job_that_is_buried_while_somebody_looks_is_printed_again(pulpo: CommandLine) -> None:
    with running(pulpo, "jobs", "tail", "--interval", "100ms") as process:
        said, told = lines_of(process.stdout), lines_of(process.stderr)
        told.get(timeout=PATIENCE)
        job_id = pulpo("publish", "mail.welcome", "-q", "mail").out.strip()
        first = said.get(timeout=PATIENCE)
        pulpo("jobs", "bury", job_id, "--reason", "ticket 17")
        second = said.get(timeout=PATIENCE)

    assert first.split()[:3] == [job_id, "mail", "ready"]
    assert second.split()[:3] == [job_id, "mail", "buried"]
    assert "ticket 17" in second
