"""`pulpo explain`: each state is made to happen, on a file and on a real beanstalkd."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.lab.place import Place
from tests.lab.processes import until

NOBODY = "0198c0de-7a11-7b0b-8123-6c6f73746a6f"
TASKS = """
import time
import pulpo

@pulpo.job(type="slow")
def slow() -> None:
    time.sleep(60)

@pulpo.job(type="failing", retries=3, backoff=600)
def failing() -> None:
    raise ValueError("no such user")

@pulpo.job(type="hopeless", retries=0)
def hopeless() -> None:
    raise ValueError("never")
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is told beside beanstalkd apart from what other tests tell there."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def explained(place: Place) -> Any:
    """Return what explains a job: its exit code, state and codes, and the reasons' texts."""
    (Path(place.folder) / "shop.py").write_text(TASKS)

    def ask(job_id: str) -> tuple[int, Any, list[str], str]:
        said = place.pulpo("explain", job_id, "--json")
        (answer,) = said.lines
        assert answer["id"] == job_id
        for reason in answer["reasons"]:
            assert set(reason) == {"code", "text", "hint"}
            assert all(reason.values())
        codes = [reason["code"] for reason in answer["reasons"]]
        return said.code, answer["state"], codes, "; ".join(r["text"] for r in answer["reasons"])

    return ask


def worked(place: Place, type: str, state: str) -> str:
    """Publish a job, and let a worker bring it into a state; return its id."""
    job_id = place.pulpo("publish", type).out.strip()
    with place.worker("--processes", "1", "--grace", "0", module="shop") as worker:
        until(lambda: place.show(job_id)["state"] == state, f"a job that is {state}")
        worker.stop()
    return job_id


def test_an_id_that_nobody_has(place: Place, explained: Any) -> None:
    assert explained(NOBODY)[:3] == (3, None, ["not_found"])
    said = place.pulpo("explain", NOBODY)
    assert (said.code, "is not here" in said.out) == (3, True)


def test_a_job_that_is_run(place: Place, explained: Any) -> None:
    job_id = place.pulpo("publish", "slow").out.strip()
    with place.worker("--processes", "1", "--grace", "0", module="shop") as worker:
        until(lambda: place.show(job_id)["state"] == "reserved", "a job that is run")

        told = f"worker '{worker.pid}' (pid "
        until(lambda: told in explained(job_id)[3], "the worker that runs it")
        code, state, codes, text = explained(job_id)
        assert (code, state, codes) == (0, "reserved", ["running"])
        assert "has been running it for" in text
        worker.stop()


def test_a_job_that_waits_for_a_free_slot(place: Place, explained: Any) -> None:
    ids = [place.pulpo("publish", "slow").out.strip() for _ in range(3)]
    arguments = ("--processes", "1", "--threads", "1", "--grace", "0")
    with place.worker(*arguments, module="shop") as worker:
        until(lambda: "has been running it" in explained(ids[0])[3], "a worker that tells")

        assert explained(ids[2])[:3] == (0, "ready", ["behind"])
        assert "1 job of its queue goes first" in explained(ids[2])[3]
        worker.stop()


def test_a_queue_that_no_worker_serves(place: Place, explained: Any) -> None:
    job_id = place.pulpo("publish", "slow", "--queue", "reports").out.strip()
    with place.worker("--processes", "1", "--grace", "0", module="shop") as worker:
        until(lambda: place.pulpo("workers", "--json").lines[0]["workers"], "a worker that tells")

        code, state, codes, text = explained(job_id)

        assert (code, state, codes) == (0, "ready", ["no_worker"])
        assert "serves queue 'reports'" in text
        worker.stop()


def test_a_type_that_no_worker_knows(place: Place, explained: Any) -> None:
    (Path(place.folder) / "other.py").write_text(TASKS.replace('"slow"', '"other"'))
    job_id = place.pulpo("publish", "slow").out.strip()
    with place.worker("--processes", "1", "--grace", "0", module="other") as worker:
        until(lambda: place.show(job_id)["state"] == "delayed", "a job that was put back")
        until(lambda: place.pulpo("workers", "--json").lines[0]["workers"], "a worker that tells")

        code, state, codes, text = explained(job_id)

        assert (code, codes[-1]) == (0, "unknown_type")
        assert "it does not know job type 'slow'" in text
        assert state in ("delayed", "ready")
        worker.stop()


def test_a_job_with_a_delay(place: Place, explained: Any) -> None:
    job_id = place.pulpo("publish", "slow", "--delay", "1h").out.strip()

    code, state, codes, text = explained(job_id)

    assert (code, state, codes) == (0, "delayed", ["delayed", "no_worker"])
    assert "in 59m" in text or "in 1h" in text


def test_a_job_that_has_failed_once(place: Place, explained: Any) -> None:
    job_id = worked(place, "failing", "delayed")

    code, state, codes, text = explained(job_id)

    assert (code, state, codes) == (0, "delayed", ["retrying", "no_worker"])
    assert "attempt 1 has failed: ValueError: no such user; attempt 2 comes in" in text


def test_a_job_of_a_paused_queue(place: Place, explained: Any) -> None:
    job_id = place.pulpo("publish", "slow").out.strip()
    place.pulpo("pause", "default", "--for", "10m")

    code, state, codes, text = explained(job_id)

    assert (code, state, codes) == (0, "ready", ["paused", "no_worker"])
    assert "for another 9m" in text or "for another 10m" in text


def test_a_job_behind_others(place: Place, explained: Any) -> None:
    place.pulpo("publish", "slow", "--priority", "1")
    place.pulpo("publish", "slow")
    job_id = place.pulpo("publish", "slow").out.strip()
    place.pulpo("publish", "slow")

    code, state, codes, text = explained(job_id)

    assert (code, state, codes) == (0, "ready", ["no_worker", "behind"])
    assert "2 jobs of its queue go first" in text


def test_a_buried_job(place: Place, explained: Any) -> None:
    job_id = worked(place, "hopeless", "buried")

    code, state, codes, text = explained(job_id)

    assert (code, state, codes) == (0, "buried", ["buried"])
    assert "ValueError: never" in text
    assert "ValueError: never" in place.pulpo("explain", job_id).out


def test_an_expired_job(place: Place, explained: Any) -> None:
    job_id = place.pulpo.put(queue="default", expires=time.time() - 5)

    assert explained(job_id)[:3] == (0, "ready", ["expired", "no_worker"])


def test_a_queue_out_of_reach_is_exit_code_4(place: Place) -> None:
    said = place.pulpo("explain", NOBODY, "--json", "--url", "beanstalkd://127.0.0.1:1")

    assert (said.code, said.out) == (4, "")


def test_a_payload_can_not_drive_the_terminal(place: Place) -> None:
    job_id = place.pulpo.bury(errors=["\x1b]0;owned\x07\u202e"])

    said = place.pulpo("explain", job_id)

    assert (said.out + said.err).replace("\n", "").isprintable()


def test_a_job_that_has_not_left_its_host_is_not_here_and_the_spool_is_named(
    beanstalkd_place: Place,
) -> None:
    pulpo = beanstalkd_place.pulpo
    away = {"PULPO_URL": "beanstalkd://127.0.0.1:1?spool=kept"}
    job_id = pulpo("publish", "slow", **away).out.strip()

    said = pulpo("explain", job_id, "--url", f"{beanstalkd_place.url}?spool=kept")

    assert (said.code, "is not here" in said.out) == (3, True)
    assert "waits to be relayed: spool: 1 job" in said.err
