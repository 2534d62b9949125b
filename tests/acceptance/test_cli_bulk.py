"""Acts on many jobs at the command line, by a filter: real processes, on both durable engines."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pulpo.adapters import open_engine
from pulpo.codec import Codec
from pulpo.identity import new_id
from pulpo.job import NewJob
from tests.acceptance.command_line import CommandLine
from tests.lab.beanstalkd import Beanstalkd

OLD = "01890000-0000-7000-8000-00000000000"  # published in 2023


@pytest.fixture(params=["file", "beanstalkd"])
def pulpo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CommandLine]:
    if request.param == "file":
        yield CommandLine(tmp_path, f"sqlite:///{tmp_path}/queue.db")
        return
    request.getfixturevalue("beanstalkd_program")
    with Beanstalkd() as server:
        yield CommandLine(tmp_path, server.url)


def put(
    pulpo: CommandLine,
    body: object = None,
    *,
    queue: str = "mail",
    delay: float = 0,
    **told: object,
) -> str:
    """Put a job as `.delay` would; return its id."""
    headers = {"type": "mail.welcome", "id": new_id(), "queue": queue, **told}
    new = NewJob(
        id=str(headers["id"]),
        type=str(headers["type"]),
        queue=queue,
        body=Codec().encode(headers, body),
        delay=delay,
    )
    adapter = open_engine(pulpo.url).adapter()
    try:
        assert adapter.put([new]) == [new.id]
    finally:
        adapter.close()
    return new.id


def ids(pulpo: CommandLine, *options: str) -> set[str]:
    said = pulpo("jobs", "list", "--json", *options)
    assert said.code == 0
    return {job["id"] for job in said.lines}


def show(pulpo: CommandLine, job_id: str) -> dict[str, object]:
    (job,) = pulpo("jobs", "show", job_id, "--json").lines
    return job


def test_a_list_is_filtered_by_type_error_age_and_body(pulpo: CommandLine) -> None:
    slow = pulpo.bury(errors=["TimeoutError: slow"])
    lost = pulpo.bury(errors=["KeyError: 1", "ValueError: lost"], type="mail.digest")
    seven = put(pulpo, {"user_id": 7, "items": [{"sku": "a"}], "lang": "de"})
    old = put(pulpo, {"user_id": 8}, id=OLD + "1")

    assert ids(pulpo, "--error", "timeouterror") == {slow}
    assert ids(pulpo, "--error", "KeyError", "--state", "buried") == {lost}
    assert ids(pulpo, "--type", "mail.digest", "-q", "mail") == {lost}
    assert ids(pulpo, "--where", "body.user_id=7", "--where", "body.lang=de") == {seven}
    assert ids(pulpo, "--where", "body.items[0].sku=a") == {seven}
    assert ids(pulpo, "--where", 'body.user_id="7"') == set()
    assert ids(pulpo, "--older", "1h") == {old}
    assert ids(pulpo, "--newer", "1h") == {slow, lost, seven}
    assert ids(pulpo, "--newer", "1h", "--state", "ready") == {seven}


def test_a_filtered_list_has_a_limit_and_says_so(pulpo: CommandLine) -> None:
    for _ in range(4):
        put(pulpo, {"user_id": 7})

    said = pulpo("jobs", "list", "--where", "body.user_id=7", "--limit", "3", "--json")

    assert len(said.lines) == 3
    assert "these are the first 3" in said.err


def test_a_job_of_another_tool_has_the_age_that_its_server_knows(
    beanstalkd_program: str, tmp_path: Path
) -> None:
    with Beanstalkd() as server:
        pulpo = CommandLine(tmp_path, server.url)
        pulpo.put(body=b'{"type": "shop.order", "body": {"n": 1}, "headers": {}}')

        assert len(ids(pulpo, "--newer", "1h")) == 1
        assert ids(pulpo, "--older", "1h") == set()


def test_a_dry_run_counts_and_does_nothing(pulpo: CommandLine) -> None:
    pulpo.bury(errors=["TimeoutError"])
    pulpo.bury(errors=["ValueError"])

    said = pulpo("jobs", "kick", "--error", "Timeout", "--dry-run")

    assert (said.code, said.out) == (0, "would kick 1 job\n")
    assert len(ids(pulpo, "--state", "buried")) == 2


@pytest.mark.parametrize("verb", ["kick", "delete", "bury", "move"])
def test_nothing_is_done_where_nobody_can_be_asked(pulpo: CommandLine, verb: str) -> None:
    ready, buried = put(pulpo), pulpo.bury()
    to = ["--to", "other"] if verb == "move" else []

    said = pulpo("jobs", verb, "-q", "mail", *to)

    assert (said.code, said.out) == (5, "")
    assert "--yes is needed" in said.err
    assert ids(pulpo, "-q", "mail") == {ready, buried}
    assert ids(pulpo, "--state", "buried") == {buried}


def test_the_buried_jobs_that_fit_are_kicked(pulpo: CommandLine) -> None:
    slow, other = pulpo.bury(errors=["TimeoutError"]), pulpo.bury(errors=["ValueError"])
    delayed = put(pulpo, delay=600, errors=["TimeoutError"])

    said = pulpo("jobs", "kick", "--error", "Timeout", "--yes")

    assert (said.code, said.out, said.err) == (0, "kicked 1 job\n", "")
    assert ids(pulpo, "--state", "ready") == {slow}
    assert ids(pulpo, "--state", "buried") == {other}
    assert ids(pulpo, "--state", "delayed") == {delayed}


def test_jobs_that_fit_are_deleted_but_not_the_one_that_runs(pulpo: CommandLine) -> None:
    running = put(pulpo, {"user_id": 7})
    adapter = open_engine(pulpo.url).adapter()
    try:
        adapter.exchange([], ["mail"], limit=1, timeout=5)
        for _ in range(2):
            put(pulpo, {"user_id": 7})
        kept = put(pulpo, {"user_id": 8})

        counted = pulpo("jobs", "delete", "--where", "body.user_id=7", "--dry-run")
        said = pulpo("jobs", "delete", "--where", "body.user_id=7", "--yes")

        assert counted.out == "would delete 2 jobs, left 1\n"
        assert (said.code, said.out) == (0, "deleted 2 jobs, left 1\n")
        assert ids(pulpo) == {running, kept}
    finally:
        adapter.close()


def test_jobs_move_with_their_state_their_story_and_their_delay(pulpo: CommandLine) -> None:
    ready = put(pulpo, {"a": 1}, priority=7, tenant="acme")
    buried = pulpo.bury(errors=["ValueError: x"], failures=2)
    delayed = put(pulpo, delay=600)
    stays = put(pulpo, queue="other")

    said = pulpo("jobs", "move", "-q", "mail", "--to", "slow", "--yes")

    assert (said.code, said.out) == (0, "moved 3 jobs\n")
    assert ids(pulpo, "-q", "slow") == {ready, buried, delayed}
    assert ids(pulpo, "-q", "mail") == set()
    assert ids(pulpo, "-q", "other") == {stays}
    moved = show(pulpo, ready)
    assert (moved["state"], moved["body"], moved["headers"]) == (
        "ready",
        {"a": 1},
        {"tenant": "acme"},
    )
    moved = show(pulpo, buried)
    assert (moved["state"], moved["error"], moved["attempt"]) == ("buried", "ValueError: x", 3)
    due = show(pulpo, delayed)["due"]
    assert isinstance(due, float)
    assert 500 < due <= 601


def test_moving_jobs_where_they_are_moves_none(pulpo: CommandLine) -> None:
    put(pulpo)

    said = pulpo("jobs", "move", "-q", "mail", "--to", "mail", "--yes")

    assert (said.code, said.out) == (0, "moved 0 jobs\n")


def test_a_moved_job_runs_and_retries_in_its_new_queue(pulpo: CommandLine) -> None:
    (pulpo.folder / "moving.py").write_text(
        "import pulpo\n\n@pulpo.job(type='mail.welcome', queue='mail', backoff=600)\n"
        "def welcome(**body: object) -> None:\n    raise ValueError('again')\n"
    )
    job_id = put(pulpo, {"a": 1})
    pulpo("jobs", "move", job_id, "--to", "slow")

    pulpo("worker", "moving", "-q", "slow", "--burst", "--processes", "1")

    job = show(pulpo, job_id)
    assert (job["queue"], job["state"], job["attempt"]) == ("slow", "delayed", 2)


def test_a_job_with_a_date_keeps_it_when_it_moves(pulpo: CommandLine) -> None:
    at = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    job_id = pulpo("publish", "t", "-q", "mail", "--at", at).out.strip()

    assert pulpo("jobs", "move", job_id, "--to", "slow").out == "moved 1 job\n"

    due = show(pulpo, job_id)["due"]
    assert isinstance(due, float)
    assert 7_100 < due <= 7_201


def test_waiting_jobs_are_buried_with_a_reason_and_kicked_again(pulpo: CommandLine) -> None:
    ready, delayed = put(pulpo, {"user_id": 7}), put(pulpo, {"user_id": 7}, delay=600)
    other = put(pulpo, {"user_id": 8})

    said = pulpo("jobs", "bury", "--where", "body.user_id=7", "--reason", "ticket 17", "--yes")

    assert (said.code, said.out) == (0, "buried 2 jobs\n")
    assert ids(pulpo, "--state", "buried", "--error", "ticket 17") == {ready, delayed}
    assert show(pulpo, ready)["body"] == {"user_id": 7}
    assert pulpo("jobs", "kick", "--error", "ticket 17", "--yes").out == "kicked 2 jobs\n"
    assert ids(pulpo, "--state", "ready") == {ready, delayed, other}


def test_jobs_are_moved_and_buried_by_their_ids_too(pulpo: CommandLine) -> None:
    one, other, buried = put(pulpo), put(pulpo), pulpo.bury()

    moved = pulpo("jobs", "move", one, OLD + "9", "--to", "slow")
    said = pulpo("jobs", "bury", other, buried)

    assert (moved.code, moved.out) == (3, "moved 1 job\n")
    assert (said.code, said.out) == (5, "buried 1 job\n")
    assert f"not buried: {buried} is buried" in said.err
    assert show(pulpo, one)["queue"] == "slow"


def test_signed_jobs_are_rewritten_only_by_somebody_with_the_keys(pulpo: CommandLine) -> None:
    keys = {"PULPO_SIGNING_KEYS": "secret"}
    job_id = pulpo("publish", "t", "-q", "mail", **keys).out.strip()

    refused = pulpo("jobs", "move", "-q", "mail", "--to", "slow", "--yes")
    edited = pulpo("jobs", "edit", job_id, "--priority", "3")
    moved = pulpo("jobs", "move", "-q", "mail", "--to", "slow", "--yes", **keys)

    assert (refused.code, refused.out) == (5, "moved 0 jobs, left 1\n")
    assert "PULPO_SIGNING_KEYS" in refused.err
    assert edited.code == 5
    assert (moved.code, moved.out) == (0, "moved 1 job\n")
    (job,) = pulpo("jobs", "list", "-q", "slow", "--json", **keys).lines
    assert (job["id"], job["problem"]) == (job_id, None)


def test_bytes_that_are_no_job_can_be_moved_and_buried(pulpo: CommandLine) -> None:
    pulpo.put(body=b"\xc1 not a job")

    assert pulpo("jobs", "move", "-q", "mail", "--to", "odd", "--yes").out == "moved 1 job\n"
    assert pulpo("jobs", "bury", "-q", "odd", "--reason", "odd", "--yes").out == "buried 1 job\n"

    (job,) = pulpo("jobs", "list", "-q", "odd", "--json").lines
    assert (job["state"], job["error"]) == ("buried", "odd")
    assert job["body"] == {"base64": "wSBub3QgYSBqb2I="}


def test_an_edit_changes_what_it_says_and_nothing_else(pulpo: CommandLine) -> None:
    body = {"user_id": 7, "at": datetime(2026, 1, 2, tzinfo=UTC), "items": [{"n": 1}, {"n": 2}]}
    job_id = put(pulpo, body, tenant="acme", failures=2, errors=["ValueError: x"])

    said = pulpo(
        *("jobs", "edit", job_id, "--set", "user_id=8", "--set", "items[1].n=null"),
        *("--set", "lang=de", "--priority", "10"),
    )

    assert (said.code, said.out) == (0, f"edited {job_id}\n")
    job = show(pulpo, job_id)
    assert job["body"] == {
        "user_id": 8,
        "at": "2026-01-02T00:00:00+00:00",
        "items": [{"n": 1}, {"n": None}],
        "lang": "de",
    }
    assert (job["state"], job["priority"], job["attempt"]) == ("ready", 10, 3)
    assert (job["headers"], job["error"]) == ({"tenant": "acme"}, "ValueError: x")
    assert (job["queue"], job["type"]) == ("mail", "mail.welcome")


def test_an_edit_delays_a_job_or_ends_its_delay(pulpo: CommandLine) -> None:
    job_id = put(pulpo)

    pulpo("jobs", "edit", job_id, "--delay", "5m")
    delayed = show(pulpo, job_id)
    pulpo("jobs", "edit", job_id, "--priority", "5")
    still = show(pulpo, job_id)
    pulpo("jobs", "edit", job_id, "--delay", "0")

    assert (delayed["state"], still["state"], still["priority"]) == ("delayed", "delayed", 5)
    assert show(pulpo, job_id)["state"] == "ready"


def test_an_edited_job_stays_buried(pulpo: CommandLine) -> None:
    job_id = pulpo.bury()

    said = pulpo("jobs", "edit", job_id, "--priority", "5")
    delayed = pulpo("jobs", "edit", job_id, "--delay", "5m")

    assert (said.code, delayed.code) == (0, 5)
    assert "is buried" in delayed.err
    assert (show(pulpo, job_id)["state"], show(pulpo, job_id)["priority"]) == ("buried", 5)


def test_what_can_not_be_edited_says_why(pulpo: CommandLine) -> None:
    running = put(pulpo, {"a": 1})
    adapter = open_engine(pulpo.url).adapter()
    try:
        adapter.exchange([], ["mail"], limit=1, timeout=5)
        waiting = put(pulpo, [1, 2])

        said = {
            "running": pulpo("jobs", "edit", running, "--set", "a=2"),
            "nobody": pulpo("jobs", "edit", OLD + "9", "--set", "a=2"),
            "nothing": pulpo("jobs", "edit", waiting),
            "no place": pulpo("jobs", "edit", waiting, "--set", "a=2"),
        }

        codes = {name: answer.code for name, answer in said.items()}
        assert codes == {"running": 5, "nobody": 3, "nothing": 2, "no place": 2}
        assert "is being run" in said["running"].err
        assert "no place 'body.a'" in said["no place"].err
        assert show(pulpo, running)["body"] == {"a": 1}
    finally:
        adapter.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ("kick", "--state", "ready", "--yes"),
        ("kick", "--all", "-q", "mail", "--type", "t"),
        ("kick", "x", "--dry-run"),
        ("delete", "--yes"),
        ("delete", "x", "-q", "mail"),
        ("delete", "x", "--dry-run"),
        ("move", "-q", "mail", "--yes"),
        ("bury", "--state", "buried", "--yes"),
        ("list", "--where", "user_id=7"),
        ("list", "--older", "soon"),
        ("edit", "x", "--set", "a"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    pulpo = CommandLine(tmp_path, f"sqlite:///{tmp_path}/queue.db")
    job_id = pulpo.bury()

    said = pulpo("jobs", *arguments)

    assert (said.code, said.out) == (2, "")
    assert ids(pulpo) == {job_id}


def at_a_terminal(pulpo: CommandLine, answer: str, *arguments: str) -> tuple[int, str]:
    """Run a command at a terminal and type an answer; return its exit code and all it said."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "pulpo", "--url", pulpo.url, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=pulpo.folder,
    ) as process:
        os.close(theirs)
        os.write(ours, answer.encode())
        got = b""
        while True:
            try:
                got += os.read(ours, 4_096)
            except OSError:  # EIO: the terminal's other end is closed
                break
    os.close(ours)
    return process.returncode, got.decode()


def test_somebody_at_a_terminal_is_asked_with_the_count(pulpo: CommandLine) -> None:
    for _ in range(3):
        pulpo.bury()

    refused, asked = at_a_terminal(pulpo, "n\n", "jobs", "kick", "-q", "mail")
    left = len(ids(pulpo, "--state", "buried"))
    done, told = at_a_terminal(pulpo, "y\n", "jobs", "kick", "-q", "mail")

    assert (refused, left) == (1, 3)
    assert "kick 3 jobs? [y/N]" in asked
    assert "nothing was done" in asked
    assert done == 0
    assert "kicked 3 jobs" in told
    assert "100%" in told


def test_kicking_all_of_a_queue_can_be_counted_first(pulpo: CommandLine) -> None:
    pulpo.bury()
    pulpo.bury()

    said = pulpo("jobs", "kick", "--all", "-q", "mail", "--dry-run")

    assert (said.code, said.out) == (0, "would kick 2 jobs\n")
