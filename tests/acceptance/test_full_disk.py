"""A full disk under a queue, as its operator meets it: found with one command, gone with room."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pulpo.adapters import open_engine
from pulpo.codec import Codec
from pulpo.errors import QueueFullError
from pulpo.identity import new_id
from pulpo.job import NewJob
from tests.acceptance.command_line import CommandLine
from tests.dashboard.caller import Caller
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.disks import grow, small_disk
from tests.lab.needs import need


@pytest.fixture(autouse=True)
def may_mount() -> None:
    """Skip without the right to mount a small disk, but fail where CI is set."""
    need("small disk")


@dataclass(frozen=True)
class Shop:
    """A queue on a disk of its own."""

    cli: CommandLine
    disk: Path

    def put(self, size: int) -> str:
        """Put a job; raises `QueueFullError`."""
        job_id = new_id()
        headers = {"type": "mail.welcome", "id": job_id, "queue": "mail"}
        body = Codec().encode(headers, {"pad": "x" * size})
        adapter = open_engine(self.cli.url).adapter()
        try:
            (answer,) = adapter.put(
                [NewJob(id=job_id, type="mail.welcome", queue="mail", body=body)]
            )
        finally:
            adapter.close()
        if not isinstance(answer, str):
            raise answer
        return answer

    def fill(self, *sizes: int) -> str:
        """Put jobs until none is accepted any more; return the first one."""
        first = self.put(sizes[0])
        for size in sizes:
            with contextlib.suppress(QueueFullError):
                while True:
                    self.put(size)
        return first


@pytest.fixture
def on_file(tmp_path: Path) -> Iterator[Shop]:
    with small_disk(tmp_path / "disk", size="36m") as disk:
        yield Shop(CommandLine(tmp_path, f"sqlite:///{disk}/queue.db"), disk)


@pytest.fixture
def on_beanstalkd(
    tmp_path: Path, beanstalkd_program: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with (
        small_disk(tmp_path / "disk", size="1m") as disk,
        Beanstalkd("-s", "65536", "-f0", binlog=disk / "binlog") as server,
    ):
        yield Shop(CommandLine(tmp_path, server.url), disk)


@pytest.fixture(params=["on_file", "on_beanstalkd"])
def shop(request: pytest.FixtureRequest) -> Shop:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Shop)
    return found


def test_a_full_disk_is_found_and_everything_else_goes_on(shop: Shop) -> None:
    job = shop.fill(20_000, 500, 1)
    cli = shop.cli

    refused = cli("publish", "mail.welcome", "{}", "-q", "mail")
    assert refused.code == 5
    assert "disk" in refused.err
    doctor = cli("doctor")
    assert doctor.code in (0, 1), doctor.out
    assert re.search(r"^(fault|warning)  +disk ", doctor.out, re.MULTILINE), doctor.out
    assert "make room on the disk" in doctor.out

    assert cli("explain", job).code == 0
    assert cli("jobs", "show", job).code == 0
    assert cli("jobs", "list", "-q", "mail", "--limit", "1").code == 0
    assert cli("top", "--once").code == 0
    assert cli("pause", "mail").code == 0
    assert cli("resume", "mail").code == 0
    assert cli("jobs", "delete", job).code == 0
    assert "pulpo." not in cli("stats").out, "our own probes are no queues"

    grow(shop.disk, size="200m")
    assert cli("publish", "mail.welcome", "{}", "-q", "mail").code == 0
    assert not re.search(r"^fault", cli("doctor").out, re.MULTILINE)


def test_every_page_stands_on_a_full_disk(shop: Shop) -> None:
    from pulpo import Pulpo
    from pulpo.dashboard.access import Hosts
    from pulpo.dashboard.app import build

    job = shop.fill(20_000, 500, 1)
    page = build(Pulpo(shop.cli.url), token="t" * 30, hosts=Hosts([]))
    visitor = Caller(page)
    visitor.get("/?token=" + "t" * 30)

    for path in ("/", "/queues/mail", "/jobs", f"/jobs/{job}", "/workers", "/types"):
        assert visitor.get(path).status == 200, path
    answer = visitor.send(visitor.get(f"/jobs/{job}").form("/delete"))
    page.state.close()

    assert "said=deleted" in answer.header("location")


def test_a_file_that_cannot_even_be_read_says_that_its_disk_is_full(on_file: Shop) -> None:
    on_file.put(100)
    with contextlib.suppress(OSError), (on_file.disk / "other").open("wb") as other:
        while True:
            other.write(b"x" * 4_096)
            other.flush()

    for command in (["stats"], ["jobs", "list"], ["publish", "mail.welcome", "{}"]):
        said = on_file.cli(*command)
        assert said.code == 4
        assert "the disk of the queue file is full" in said.err
    assert "make room on the disk" in on_file.cli("doctor").out
    (on_file.disk / "other").unlink()

    assert on_file.cli("stats", "mail", "--json").lines[0]["queues"]["mail"]["ready"] == 1


def test_a_refused_put_that_beanstalkd_forgot_to_free_is_no_job(on_beanstalkd: Shop) -> None:
    """A copy with the id of a job that waits: the job itself is found, and it alone."""
    job = on_beanstalkd.fill(2_000, 500, 1)
    cli = on_beanstalkd.cli
    admin = open_engine(cli.url).admin()
    (seen,) = admin.peek([job])
    assert seen is not None

    buried = cli("jobs", "bury", job)
    (found,) = admin.peek([job])
    ready = admin.stats("mail").ready
    listed = [each.id for each in admin.list("mail", limit=10_000)]
    admin.close()

    assert buried.code == 5, "no copy finds room"
    assert found is not None
    assert (found.number, found.state) == (seen.number, seen.state)
    assert len(listed) == ready
    assert listed.count(job) == 1
