"""Suspects, each in a real process of its own: what it did there is its verdict."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import pytest

from pulpo.clock import SystemClock
from pulpo.codec import Codec
from pulpo.envelope import Envelope
from pulpo.job import Job, Verb
from pulpo.run import Run
from pulpo.worker.decide import Ending, Verdict
from pulpo.worker.isolation import Isolation, Judgement
from tests.worker import poison

COMMAND = (sys.executable, "-m", "pulpo", "sandbox", "text")
Try = Callable[..., Verdict]


def suspect(type: str, body: object = None, **headers: object) -> Run:
    envelope = Envelope({"type": type, "id": "s-1", **headers}, {} if body is None else body)
    job = Job(number=1, body=Codec().encode(envelope.headers, envelope.body), queue="default")
    return Run(job, envelope, poison.good.job_type if type == "good" else types()[type])


def types() -> dict[str, object]:
    from pulpo import default_app

    return {job_type.type: job_type for job_type in default_app().registry}


@pytest.fixture
def isolation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Isolation]:
    monkeypatch.delenv("PULPO_URL", raising=False)
    found = Isolation((*COMMAND, "tests.worker.poison"), SystemClock())
    yield found
    found.end()


@pytest.fixture
def attempt(isolation: Isolation) -> Try:
    def run(type: str, body: object = None, **headers: object) -> Verdict:
        chosen = suspect(type, body, **headers)
        isolation.take(chosen, 0.0)
        assert chosen.call is not None
        judgement = chosen.call()
        assert isinstance(judgement, Judgement)
        return judgement.verdict

    return run


def test_a_suspect_that_lives_is_settled_as_usual_and_its_process_serves_the_next(
    attempt: Try, isolation: Isolation
) -> None:
    assert [attempt("good", {"n": n}).ending for n in range(3)] == [Ending.SUCCESS] * 3
    assert len(isolation._all) == 1


@pytest.mark.parametrize(
    ("type", "body", "reason"),
    [
        ("poison.segfault", None, "killed by signal 11 (SIGSEGV)"),
        ("poison.exit", {"code": 0}, "ended with exit code 0"),
        ("poison.exit", {"code": 3}, "ended with exit code 3"),
        ("poison.exits", None, "SystemExit: enough"),
    ],
)
def test_what_kills_its_process_is_buried_with_how(
    attempt: Try, type: str, body: object, reason: str
) -> None:
    verdict = attempt(type, body)

    assert (verdict.ending, verdict.verb) == (Ending.BURIED, Verb.BURY)
    assert reason in verdict.reason


def test_a_death_in_a_process_that_served_others_is_no_verdict_yet(attempt: Try) -> None:
    assert attempt("good", {"n": 1}).ending is Ending.SUCCESS

    verdict = attempt("poison.exit", {"code": 3})  # in the kept one, then in a fresh one

    assert verdict.ending is Ending.BURIED


def test_a_kill_from_outside_is_believed_once(attempt: Try) -> None:
    first = attempt("poison.kill")
    again = attempt("poison.kill", failures=1, errors=[first.error])

    assert (first.ending, again.ending) == (Ending.RETRIED, Ending.BURIED)
    assert "signal 9 (SIGKILL)" in again.reason


def test_an_endless_loop_ends_with_its_timeout(attempt: Try) -> None:
    verdict = attempt("poison.loop")

    assert verdict.ending is Ending.BURIED
    assert "timed out after 1s" in verdict.reason


def test_a_handler_that_recurses_for_ever_is_an_error_like_others(attempt: Try) -> None:
    verdict = attempt("poison.recursion")

    assert verdict.ending is Ending.RETRIED
    assert "RecursionError" in verdict.reason


def test_a_handler_that_closes_the_way_to_its_parent_is_buried(attempt: Try) -> None:
    assert attempt("poison.closes").ending is Ending.BURIED


def test_a_process_that_ignores_the_end_and_leaves_threads_is_ended_all_the_same(
    attempt: Try, isolation: Isolation
) -> None:
    assert attempt("poison.deaf").ending is Ending.SUCCESS
    (box,) = isolation._all

    isolation.end()

    assert box._process.returncode == -9


def test_code_that_does_not_load_spends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    isolation = Isolation((*COMMAND, "tests.worker.no_such_module"), SystemClock())
    run = suspect("good", {"n": 1})
    isolation.take(run, 0.0)
    assert run.call is not None

    verdict = run.call().verdict  # type: ignore[attr-defined]

    assert (verdict.ending, verdict.failures) == (Ending.BOUNCED, 0)
    assert "no_such_module" in verdict.reason
    isolation.end()


def test_what_runs_at_the_end_is_handed_back(isolation: Isolation) -> None:
    import threading

    run = suspect("poison.holds")
    isolation.take(run, 0.0)
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(run.call()))  # type: ignore[misc]
    thread.start()
    deadline = time.monotonic() + 10
    while not isolation._all and time.monotonic() < deadline:
        time.sleep(0.01)

    assert isolation.end()
    thread.join(10)

    (judgement,) = results
    assert isinstance(judgement, Judgement)
    assert judgement.verdict.ending is Ending.RELEASED
