"""Operators at the command line: real processes, on a file and on a real beanstalkd."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from pulpo.codec import Codec
from tests.acceptance.command_line import CommandLine
from tests.lab.beanstalkd import Beanstalkd

NOBODY = "0198c0de-7a11-7b0b-8123-6c6f73746a6f"
TRACE = 'Traceback (most recent call last):\n  File "mail.py", line 3\nValueError: no such user'


@pytest.fixture(params=["file", "beanstalkd"])
def pulpo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CommandLine]:
    if request.param == "file":
        yield CommandLine(tmp_path, f"sqlite:///{tmp_path}/queue.db")
        return
    request.getfixturevalue("beanstalkd_program")
    # A server of its own: these tests look at all queues.
    with Beanstalkd() as server:
        yield CommandLine(tmp_path, server.url)


def stats(pulpo: CommandLine, queue: str = "mail") -> dict[str, object]:
    (line,) = pulpo("stats", queue, "--json").lines
    return line["queues"][queue]


def test_stats_of_an_empty_queue_are_zeros_in_exactly_this_shape(pulpo: CommandLine) -> None:
    said = pulpo("stats", "--json")

    zeros = {"ready": 0, "delayed": 0, "reserved": 0, "buried": 0, "paused": False}
    assert (0, [{"queues": {"default": zeros}}]) == (said.code, said.lines)


def test_stats_count_ready_delayed_and_buried_jobs(pulpo: CommandLine) -> None:
    pulpo.bury()
    pulpo.put()
    pulpo.put(delay=600)

    counted = {"ready": 1, "delayed": 1, "reserved": 0, "buried": 1, "paused": False}
    assert counted == stats(pulpo)
    table = pulpo("stats", "mail").out.splitlines()
    assert table[0].split() == ["queue", "ready", "delayed", "reserved", "buried", "paused"]
    assert table[1].split() == ["mail", "1", "1", "0", "1", "no"]


def test_a_queue_that_is_not_there_is_zeros_and_a_hint(pulpo: CommandLine) -> None:
    pulpo.put()

    said = pulpo("stats", "mial")

    assert said.code == 0
    assert "no queue 'mial' now; did you mean 'mail'?" in said.err


def test_publish_prints_the_id_of_a_job_that_is_there(pulpo: CommandLine) -> None:
    said = pulpo(
        *("publish", "mail.welcome", '{"user_id": 7}', "--queue", "mail", "--priority", "5"),
        *("--header", "tenant=acme"),
    )

    (job,) = pulpo("jobs", "list", "--json").lines
    assert (0, job["id"] + "\n", "") == (said.code, said.out, said.err)
    assert {
        "queue": "mail",
        "state": "ready",
        "type": "mail.welcome",
        "priority": 5,
        "attempt": 1,
        "body": {"user_id": 7},
        "headers": {"tenant": "acme"},
        "error": None,
    }.items() <= job.items()


def test_publish_reads_a_body_from_stdin(pulpo: CommandLine) -> None:
    pulpo("publish", "t", "-", stdin='["ü", 1.5, null]')

    (job,) = pulpo("jobs", "list", "--json").lines
    assert job["body"] == ["ü", 1.5, None]


def test_publish_refuses_stdin_that_is_not_utf_8(pulpo: CommandLine) -> None:
    said = pulpo("publish", "t", "-", stdin=b'"\xff"')

    assert said.code == 2
    assert "stdin is not UTF-8 at byte 1" in said.err


def test_a_job_published_without_a_body_has_null(pulpo: CommandLine) -> None:
    pulpo("publish", "t")

    (job,) = pulpo("jobs", "list", "--json").lines
    assert (job["body"], job["queue"]) == (None, "default")


def test_a_delayed_job_and_one_for_a_time_say_when_they_are_due(pulpo: CommandLine) -> None:
    later = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    pulpo("publish", "first", "--delay", "1h")
    pulpo("publish", "second", "--at", later)

    jobs = pulpo("jobs", "list", "--state", "delayed", "--json").lines
    assert [job["type"] for job in jobs] == ["first", "second"]
    assert 3500 < jobs[0]["due"] <= 3600
    assert 7100 < jobs[1]["due"] <= 7201
    assert re.search(r" in (59m|1h)", pulpo("jobs", "list").out)


def test_a_job_that_is_too_big_is_refused(pulpo: CommandLine) -> None:
    said = pulpo("publish", "t", "-", stdin='"' + "x" * 20_000_000 + '"')

    assert (said.code, said.out) == (5, "")
    assert pulpo("jobs", "list", "--json").lines == []


def test_a_list_can_be_narrowed_by_queue_and_state_and_length(pulpo: CommandLine) -> None:
    buried = pulpo.bury(queue="other")
    pulpo.bury()
    ready = [pulpo.put() for _ in range(3)]

    def listed(*options: str) -> list[str]:
        return [job["id"] for job in pulpo("jobs", "list", "--json", *options).lines]

    assert [buried] == listed("--state", "buried", "-q", "other")
    assert ready == listed("--state", "ready", "-q", "mail")
    assert len(listed("--limit", "2")) == 2
    assert "these are the first 2" in pulpo("jobs", "list", "--limit", "2").err


def test_an_empty_list_is_no_data_and_a_word(pulpo: CommandLine) -> None:
    said = pulpo("jobs", "list")

    assert (said.code, said.out, said.err) == (0, "", "no jobs\n")


def test_show_prints_the_last_error_with_its_traceback(pulpo: CommandLine) -> None:
    job_id = pulpo.bury(failures=3, errors=["ValueError: earlier", TRACE], tenant="acme")

    (job,) = pulpo("jobs", "show", job_id, "--json").lines
    assert (job_id, "mail", "buried", 4) == (job["id"], job["queue"], job["state"], job["attempt"])
    assert (job["error"], job["earlier"]) == (TRACE, ["ValueError: earlier"])
    text = pulpo("jobs", "show", job_id).out
    assert '      File "mail.py", line 3\n    ValueError: no such user\n' in text
    assert "tenant" in text


def test_show_has_a_form_for_every_value_that_travels(pulpo: CommandLine) -> None:
    body = {"at": datetime(2026, 1, 2, tzinfo=UTC), "id": UUID(NOBODY), "sum": Decimal("1.10")}
    pulpo.put(body=Codec().encode({"type": "t"}, {**body, "raw": b"\xff", "all": {1}}))

    (job,) = pulpo("jobs", "list", "--json").lines
    (shown,) = pulpo("jobs", "show", job["id"], "--json").lines
    assert job | {"due": shown["due"]} == shown
    assert shown["body"] == {
        "at": "2026-01-02T00:00:00+00:00",
        "id": NOBODY,
        "sum": "1.10",
        "raw": {"base64": "/w=="},
        "all": [1],
    }


def test_an_id_that_nobody_has_is_exit_code_3(pulpo: CommandLine) -> None:
    for verb in ("show", "kick", "delete"):
        said = pulpo("jobs", verb, NOBODY)

        assert said.code == 3
        assert NOBODY in said.err
        assert "Traceback" not in said.err


def test_kick_makes_the_named_jobs_ready_although_one_id_is_unknown(pulpo: CommandLine) -> None:
    one, other = pulpo.bury(), pulpo.bury()

    said = pulpo("jobs", "kick", one, NOBODY, other, one)

    assert (said.code, said.out) == (3, "kicked 2 jobs\n")
    assert (stats(pulpo)["ready"], stats(pulpo)["buried"]) == (2, 0)


def test_kick_all_makes_all_buried_jobs_of_a_queue_ready(pulpo: CommandLine) -> None:
    for queue in ("mail", "mail", "mail", "other"):
        pulpo.bury(queue=queue)

    said = pulpo("jobs", "kick", "--all", "-q", "mail")

    assert (said.code, said.out) == (0, "kicked 3 jobs\n")
    assert (stats(pulpo)["ready"], stats(pulpo, "other")["buried"]) == (3, 1)


def test_a_ready_job_can_not_be_kicked(pulpo: CommandLine) -> None:
    job_id = pulpo.put()

    said = pulpo("jobs", "kick", job_id)

    assert (said.code, said.out) == (5, "kicked 0 jobs\n")
    assert f"not kicked: {job_id} is ready" in said.err


def test_delete_deletes_a_job_in_any_resting_state(pulpo: CommandLine) -> None:
    ids = [pulpo.bury(), pulpo.put(), pulpo.put(delay=600)]

    said = pulpo("jobs", "delete", *ids)

    assert (said.code, said.out) == (0, "deleted 3 jobs\n")
    assert pulpo("jobs", "list", "--json").lines == []


def test_pause_and_resume_show_in_the_stats(pulpo: CommandLine) -> None:
    pulpo.put()

    assert pulpo("pause", "mail", "--for", "10m").code == 0
    assert stats(pulpo)["paused"] is True
    assert re.search(r" for (9m|10m)", pulpo("stats", "mail").out)
    assert pulpo("resume", "mail").code == 0
    assert stats(pulpo)["paused"] is False


def test_pause_says_where_a_restart_ends_it(pulpo: CommandLine) -> None:
    pulpo.put()

    said = pulpo("pause", "mail")

    assert pulpo.url.startswith("beanstalkd") == ("restarts" in said.err)


def test_a_payload_can_not_drive_the_terminal(pulpo: CommandLine) -> None:
    evil = "\x1b]0;owned\x07\x9b2J\u202e\r"
    ids = [pulpo.bury(errors=[evil], note=evil), pulpo.put(body=b"\x1b[2J" + evil.encode())]

    said = [pulpo("jobs", "list")]
    listed = pulpo("jobs", "list", "--json")
    said += [pulpo("jobs", "show", job["id"]) for job in listed.lines]

    assert 2 == len(ids) == len(listed.lines)
    for each in [*said, listed]:
        assert each.code == 0
        assert (each.out + each.err).replace("\n", "").isprintable()


def on_a_terminal(pulpo: CommandLine, *arguments: str, **environment: str) -> str:
    """Run a command whose stdout is a terminal; return what the terminal got."""
    ours, theirs = pty.openpty()
    keep = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(
        [sys.executable, "-m", "pulpo", "--url", pulpo.url, *arguments],
        stdout=theirs,
        env={**keep, **environment},
    ) as process:
        os.close(theirs)
        got = b""
        while True:
            try:
                got += os.read(ours, 4096)
            except OSError:  # EIO: the terminal's other end is closed
                break
    os.close(ours)
    assert process.returncode == 0
    return got.decode()


def test_a_terminal_gets_colours_unless_its_user_does_not_want_them(pulpo: CommandLine) -> None:
    pulpo.bury()

    assert "\x1b[31mburied\x1b[0m" in on_a_terminal(pulpo, "jobs", "list")
    assert "\x1b" not in on_a_terminal(pulpo, "jobs", "list", NO_COLOR="1")


def test_bytes_that_are_no_job_are_listed_and_can_be_deleted(pulpo: CommandLine) -> None:
    pulpo.put(body=b"\xc1 not a job")

    (job,) = pulpo("jobs", "list", "--json").lines
    assert (job["type"], job["body"]) == (None, {"base64": "wSBub3QgYSBqb2I="})
    assert job["problem"]
    assert pulpo("jobs", "delete", job["id"]).code == 0


def test_a_foreign_job_in_json_is_shown_like_any_other(pulpo: CommandLine) -> None:
    pulpo.put(body=b'{"type": "shop.order", "body": [1], "headers": {"a": "b"}}')

    (job,) = pulpo("jobs", "list", "--json").lines
    assert (job["type"], job["body"], job["headers"]) == ("shop.order", [1], {"a": "b"})


def test_a_job_with_a_wrong_signature_is_shown_and_says_so(pulpo: CommandLine) -> None:
    pulpo.put()

    (job,) = pulpo("jobs", "list", "--json", PULPO_SIGNING_KEYS="secret").lines
    assert job["type"] == "mail.welcome"
    assert "not signed" in job["problem"]


def test_the_url_after_the_verb_counts_before_the_one_in_front(pulpo: CommandLine) -> None:
    pulpo.put()

    said = pulpo("--url", "beanstalkd://127.0.0.1:1", "stats", "mail", "--json", "--url", pulpo.url)

    assert said.lines[0]["queues"]["mail"]["ready"] == 1


def test_a_reader_that_goes_away_is_met_with_silence(pulpo: CommandLine) -> None:
    for _ in range(5):
        pulpo.put(body=Codec().encode({"type": "t"}, "x" * 30_000))
    command = [sys.executable, "-m", "pulpo", "--url", pulpo.url, "jobs", "list", "--json"]

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=pulpo.folder
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1) == b"{"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_verbose_says_which_queue_it_is_and_where_that_was_said(pulpo: CommandLine) -> None:
    said = pulpo("stats", "-v")

    assert f"queue: {pulpo.url} (from PULPO_URL)" in said.err


def test_json_on_stdout_survives_a_terminal_of_another_encoding(pulpo: CommandLine) -> None:
    pulpo("publish", "t", '"ü"')

    for encoding in ("ascii", "latin-1"):
        other = {"PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
        assert json.loads(pulpo("jobs", "list", "--json", **other).out)["body"] == "ü"
        assert pulpo("jobs", "list", **other).code == 0
