"""`pulpo check`: the gate before a deploy, on a file and on a real beanstalkd."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pulpo.adapters import open_engine
from pulpo.codec import Codec
from pulpo.identity import new_id
from pulpo.job import JobState, NewJob
from tests.acceptance.command_line import CommandLine
from tests.lab.beanstalkd import Beanstalkd

TASKS = """
import pulpo

@pulpo.job(type="mail.welcome", queue="mail")
def welcome(to, *, lang="en"): ...

class Resize:
    def handle(self, message): ...

pulpo.register("image.resize", Resize)
"""


@pytest.fixture(params=["file", "beanstalkd"])
def pulpo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CommandLine]:
    (tmp_path / "shop.py").write_text(TASKS)
    if request.param == "file":
        yield CommandLine(tmp_path, f"sqlite:///{tmp_path}/queue.db?sync=normal")
        return
    request.getfixturevalue("beanstalkd_program")
    # A server of its own: these tests look at all queues.
    with Beanstalkd() as server:
        yield CommandLine(tmp_path, server.url)


def fill(pulpo: CommandLine, count: int, *, queue: str = "mail") -> None:
    """Put jobs that fit."""
    adapter = open_engine(pulpo.url).adapter()
    codec = Codec()
    for start in range(0, count, 1_000):
        batch = []
        for _ in range(min(1_000, count - start)):
            job_id = new_id()
            headers = {"type": "mail.welcome", "id": job_id, "queue": queue}
            body = codec.encode(headers, {"to": "a"})
            batch.append(NewJob(id=job_id, type="mail.welcome", queue=queue, body=body))
        assert list(adapter.put(batch)) == [job.id for job in batch]
    adapter.close()


def contents(pulpo: CommandLine) -> list[tuple[str, str, JobState, bytes]]:
    admin = open_engine(pulpo.url).admin()
    found = [(job.id, job.queue, job.state, job.body) for job in admin.list(limit=100_000)]
    admin.close()
    return found


def live(pulpo: CommandLine, *options: str, **environ: str) -> tuple[int, dict[str, Any]]:
    said = pulpo("check", "shop", "--live", "--json", *options, **environ)
    (answer,) = said.lines
    return said.code, answer


def test_the_one_bad_payload_among_ten_thousand_is_found(pulpo: CommandLine) -> None:
    fill(pulpo, 6_000)
    pulpo.put(body=Codec().encode({"type": "mail.welcome", "queue": "mail"}, {"whom": 1}))
    fill(pulpo, 3_999)
    before = contents(pulpo)
    bad = next(job_id for job_id, _, _, body in before if b"whom" in body)

    code, answer = live(pulpo)

    assert (code, answer["ok"], answer["errors"]) == (1, False, [])
    assert {"looked_at": 10_000, "of": 10_000, "complete": True}.items() <= answer["live"].items()
    (failing,) = answer["live"]["failing"]
    reason = failing.pop("reason")
    assert failing == {
        "type": "mail.welcome",
        "code": "arguments",
        "count": 1,
        "example": bad,
        "queue": "mail",
    }
    assert "welcome() missing a required argument: 'to'" in reason
    assert contents(pulpo) == before
    said = pulpo("check", "shop", "--live")
    assert (said.code, bad in said.out, reason in said.out) == (1, True, True)
    assert "looked at 10,000 of 10,000 waiting jobs: 1 could not be run" in said.out


def test_all_that_waits_fits(pulpo: CommandLine) -> None:
    fill(pulpo, 10)
    pulpo("publish", "image.resize", "[1]", "--delay", "1h")

    code, answer = live(pulpo)

    assert (code, answer["ok"]) == (0, True)
    assert answer["types"] == ["image.resize", "mail.welcome"]
    live_part = {"looked_at": 11, "of": 11, "complete": True, "failing": [], "unserved": {}}
    assert answer["live"] == live_part
    said = pulpo("check", "shop", "--live")
    assert said.out == "2 job types: ok\nlooked at 11 of 11 waiting jobs: ok\n"


def test_an_empty_queue_is_all_right(pulpo: CommandLine) -> None:
    code, answer = live(pulpo)

    assert (code, answer["live"]["looked_at"]) == (0, 0)


def test_each_way_to_fail_is_told_by_type_the_most_frequent_first(pulpo: CommandLine) -> None:
    keys = {"PULPO_SIGNING_KEYS": "ours"}
    for _ in range(4):
        pulpo("publish", "shop.gone", "{}", "--delay", "1h", **keys)
    for _ in range(3):
        pulpo("publish", "mail.welcome", '{"whom": "a"}', "-q", "mail", **keys)
    for _ in range(2):
        pulpo("publish", "mail.welcome", '{"to": "a"}', PULPO_SIGNING_KEYS="theirs")
    pulpo.put(body=b"\xc1 not a job")
    pulpo("publish", "mail.welcome", '{"to": "a"}', **keys)

    code, answer = live(pulpo, **keys)

    assert code == 1
    found = [(each["type"], each["code"], each["count"]) for each in answer["live"]["failing"]]
    assert found == [
        ("shop.gone", "unknown_type", 4),
        ("mail.welcome", "arguments", 3),
        ("mail.welcome", "signature", 2),
        (None, "undecodable", 1),
    ]
    for each in answer["live"]["failing"]:
        assert pulpo("jobs", "show", each["example"]).code == 0


def test_buried_jobs_wait_for_a_person_not_for_this_code(pulpo: CommandLine) -> None:
    pulpo.bury(nonsense=1)

    code, answer = live(pulpo)

    assert (code, answer["live"]["looked_at"], answer["live"]["of"]) == (0, 0, 0)


def test_only_the_queues_that_were_named_are_looked_at(pulpo: CommandLine) -> None:
    fill(pulpo, 3)
    pulpo("publish", "other.service", "{}", "-q", "other")

    assert live(pulpo)[0] == 1
    code, answer = live(pulpo, "-q", "mail")
    assert (code, answer["live"]["looked_at"], answer["live"]["of"]) == (0, 3, 3)


def test_of_very_many_jobs_a_sample_is_looked_at_and_said_to_be_one(pulpo: CommandLine) -> None:
    fill(pulpo, 55_000)

    said = pulpo("check", "shop", "--live")

    assert said.code == 0
    assert re.search(r"^looked at 50,\d\d\d of 55,000 waiting jobs: ok$", said.out, re.MULTILINE)
    assert "this is a sample from all over the queue; --all looks at every job" in said.err
    assert live(pulpo, "--all")[1]["live"] == {
        "looked_at": 55_000,
        "of": 55_000,
        "complete": True,
        "failing": [],
        "unserved": {},
    }


def test_jobs_in_a_queue_that_this_code_does_not_name_are_told_of(pulpo: CommandLine) -> None:
    fill(pulpo, 3, queue="old-mail")

    code, answer = live(pulpo)

    assert (code, answer["live"]["unserved"]) == (0, {"old-mail": 3})
    assert "3 jobs that would run wait in queue 'old-mail'" in (
        pulpo("check", "shop", "--live").err
    )
    assert live(pulpo, "-q", "old-mail")[1]["live"]["unserved"] == {}


def test_every_wrong_option_is_told_and_the_queue_is_not_asked(pulpo: CommandLine) -> None:
    (pulpo.folder / "wrong.py").write_text(
        "import pulpo\n"
        "@pulpo.job(type='a', retries=-1, timeout='soon')\n"
        "def a(): ...\n"
        "@pulpo.job(type='b', ttl=3)\n"
        "def b(): ...\n"
    )

    said = pulpo("check", "shop", "wrong", "--json", PULPO_URL="beanstalkd://127.0.0.1:1")

    assert said.code == 1
    (answer,) = said.lines
    assert answer["live"] is None
    assert [(e["module"], e["type"], e["option"]) for e in answer["errors"]] == [
        ("wrong", "a", "retries"),
        ("wrong", "a", "timeout"),
        ("wrong", "b", "ttl"),
    ]
    said = pulpo("check", "wrong")
    assert "fault    wrong a retries: " in said.out
    assert "2 job types, 3 faults" in said.out


def test_code_that_is_right_is_0(pulpo: CommandLine) -> None:
    said = pulpo("check", "shop", PULPO_URL="beanstalkd://127.0.0.1:1")

    assert (said.code, said.out, said.err) == (0, "2 job types: ok\n", "")


def test_a_module_that_fails_shows_its_traceback(pulpo: CommandLine) -> None:
    (pulpo.folder / "broken.py").write_text("x = 1\nprint(x / 0)\n")

    said = pulpo("check", "broken", "shop")

    assert said.code == 1
    assert "print(x / 0)" in said.out
    assert "2 job types, 1 fault" in said.out


def test_usage_and_a_queue_out_of_reach_have_their_own_exit_codes(pulpo: CommandLine) -> None:
    (pulpo.folder / "empty.py").write_text("")

    assert pulpo("check").code == 2
    assert pulpo("check", "shpo").code == 2
    assert pulpo("check", "shop", "--all").code == 2
    assert pulpo("check", "empty").code == 1
    away = {"PULPO_URL": "beanstalkd://127.0.0.1:1"}
    assert pulpo("check", "shop", "--live", **away).code == 4
    assert pulpo("check", "shop", "--live", PULPO_URL="memory://").code == 5
