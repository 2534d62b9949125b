"""`pulpo move` and `pulpo worker --also` as an operator uses them, there and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.command_line import CommandLine
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.place import Place


@pytest.fixture
def urls(beanstalkd_program: str, tmp_path: Path) -> Iterator[tuple[str, str]]:
    with Beanstalkd() as server:
        yield f"sqlite:///{tmp_path}/old.db", server.url


@pytest.fixture
def file(urls: tuple[str, str], tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, urls[0])


def test_a_move_there_and_back_changes_nothing_of_a_job(
    file: CommandLine, urls: tuple[str, str]
) -> None:
    file.put()
    file.put(delay=3_600)
    file.bury(failures=2, errors=["earlier", "ValueError: no"])
    file.put(body=b"\x00 no job")
    before = file("jobs", "list", "--json").lines

    there = file("move", *urls)
    listed = CommandLine(file.folder, urls[1])("jobs", "list", "--json").lines
    back = file("move", *reversed(urls))

    assert (there.code, there.out, there.err) == (0, "moved 4 jobs\n", "")
    assert (back.code, back.out, back.err) == (0, "moved 4 jobs\n", "")
    assert (
        file("stats", "mail", "--json", "--url", urls[1]).lines[0]["queues"]["mail"]["ready"] == 0
    )
    after = file("jobs", "list", "--json").lines
    for job in (*before, *listed, *after):
        job.pop("due")
    # What is no job has no id but the engine's number.
    assert [job for job in after if job["type"]] == [job for job in before if job["type"]]
    assert [job["state"] for job in listed] == [job["state"] for job in before]


def test_dry_run_counts_and_moves_nothing(file: CommandLine, urls: tuple[str, str]) -> None:
    file.put()
    file.put(queue="image", delay=60)
    file("pause", "mail")

    said = file("move", *urls, "--dry-run")
    told = file("move", *urls, "--dry-run", "--json")

    assert said.out == "image: 1 delayed\nmail: 1 ready, paused\nwould move 2 jobs\n"
    assert told.lines[0]["queues"]["image"]["delayed"] == 1
    assert file("stats", "mail", "--json").lines[0]["queues"]["mail"]["ready"] == 1


def test_what_the_target_does_not_take_stays_and_is_told(
    file: CommandLine, urls: tuple[str, str]
) -> None:
    file.put(body=b"x" * 900)
    small = file.put()

    said = file("move", urls[0], f"sqlite:///{file.folder}/new.db?max_job_size=500")

    assert (said.code, said.out) == (5, "moved 1 job\n")
    assert "the queue takes 500" in said.err
    assert said.err.endswith("pulpo: the target has refused 1 job\n")
    (left,) = file("jobs", "list", "--json").lines
    assert left["id"] != small


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["sqlite:///a.db", "sqlite:///a.db?sync=normal"], 2, "both are the same queue"),
        (["memory://", "sqlite:///a.db"], 5, "lives inside one process"),
        (["sqlite:///a.db", "nowhere://x"], 2, "no engine for 'nowhere'"),
        (["sqlite:///a.db", "beanstalkd://127.0.0.1:1"], 4, "127.0.0.1:1"),
        (["sqlite:///a.db"], 2, "DST"),
        (["sqlite:///a.db", "sqlite:///b.db", "--rate", "0"], 2, "--rate"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    pulpo = CommandLine(tmp_path, f"sqlite:///{tmp_path}/a.db")
    pulpo.put()

    said = pulpo("move", *arguments)

    assert said.code == code, said.err
    assert told in said.err
    assert pulpo("stats", "mail", "--json").lines[0]["queues"]["mail"]["ready"] == 1


def test_a_worker_serves_the_old_queue_too_and_publishes_to_the_new_one(
    urls: tuple[str, str], tmp_path: Path
) -> None:
    old, new = Place(tmp_path, urls[0]), Place(tmp_path, urls[1])
    for place in (old, new):
        place.published(place.produce(1, 20))

    with new.worker("--also", urls[0], "--processes", "1", "--burst") as worker:
        assert worker.wait() == 0
        started = [line["engine"] for line in worker.said("started")]

    new.wait_until_all_done()
    assert sorted(started) == sorted(urls)
    assert new.account().complaints() == []
    assert (
        json.loads(old.pulpo("stats", "default", "--json").out)["queues"]["default"]["ready"] == 0
    )
    for place in (old, new):
        place.ledger.close()
