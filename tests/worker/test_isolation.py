"""Suspects, each in a real process of its own: what it did there is its verdict."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pulpo import default_app
from pulpo.clock import SystemClock
from pulpo.codec import Codec
from pulpo.envelope import Envelope
from pulpo.job import Job, Verb
from pulpo.registry import JobType
from pulpo.run import Run
from pulpo.worker.decide import Ending, Verdict
from pulpo.worker.groups import GroupRow
from pulpo.worker.isolation import Isolation, Judgement
from tests.lab.processes import is_alive, until
from tests.worker import poison

COMMAND = (sys.executable, "-m", "pulpo", "sandbox", "text")
Try = Callable[..., Verdict]


# Where a test wants another time limit here than the type has in its sandbox.
TIMEOUTS: dict[str, float] = {}


def suspect(type: str, body: object = None, **headers: object) -> Run:
    envelope = Envelope({"type": type, "id": "s-1", **headers}, {} if body is None else body)
    job = Job(number=1, body=Codec().encode(envelope.headers, envelope.body), queue="default")
    job_type = types()[type]
    if type in TIMEOUTS:
        job_type = replace(job_type, timeout=TIMEOUTS[type])
    return Run(job, envelope, job_type)


def types() -> dict[str, JobType]:
    return {job_type.type: job_type for job_type in default_app().registry}


@pytest.fixture
def isolation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Isolation]:
    monkeypatch.delenv("PULPO_URL", raising=False)
    found = Isolation((*COMMAND, poison.__name__), SystemClock(), GroupRow.alone(8))
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
        ("poison.aexit", {"code": 5}, "ended with exit code 5"),
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


def test_a_kept_process_that_was_killed_meanwhile_costs_the_next_suspect_nothing(
    attempt: Try, isolation: Isolation
) -> None:
    assert attempt("good", {"n": 1}).ending is Ending.SUCCESS
    (box,) = isolation._all
    box.kill()

    assert attempt("good", {"n": 2}).ending is Ending.SUCCESS
    assert isolation._all.isdisjoint({box})


def test_what_a_suspect_leaves_running_ends_with_it(attempt: Try, tmp_path: Path) -> None:
    note = tmp_path / "pid"

    assert attempt("poison.orphans", {"note": str(note)}).ending is Ending.BURIED

    until(lambda: not is_alive(int(note.read_text())), "the end of what it left behind")


def test_a_death_is_seen_though_a_forked_child_holds_the_way_to_its_parent(
    attempt: Try, tmp_path: Path
) -> None:
    note = tmp_path / "pid"

    verdict = attempt("poison.forks", {"note": str(note)})  # its timeout is ten minutes

    assert verdict.ending is Ending.BURIED
    assert "exit code 9" in verdict.reason
    until(lambda: not is_alive(int(note.read_text())), "the end of the child")


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x01\xc1",  # no msgpack
        b"\x00\x00\x00\x01\x01",  # a number
        b"\x00\x00\x00\x01\x80",  # a map without a verdict
    ],
)
def test_odd_bytes_on_the_way_to_its_parent_are_a_death_and_cost_nobody_else(
    attempt: Try, isolation: Isolation, data: bytes
) -> None:
    first = attempt("poison.garbles", {"data": data})
    again = attempt("poison.garbles", {"data": data}, failures=1, errors=[first.error])

    assert (first.ending, again.ending) == (Ending.RETRIED, Ending.BURIED)
    assert isolation._all == set()
    assert attempt("good", {"n": 1}).ending is Ending.SUCCESS


def test_a_length_that_nobody_meant_ends_with_the_timeout_and_takes_no_memory(
    attempt: Try, isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TIMEOUTS, "poison.garbles", 1.0)

    verdict = attempt("poison.garbles", {"data": b"\xff\xff\xff\xffabc"})

    assert "timed out after 1s" in verdict.reason
    assert isolation._all == set()


def test_several_suspects_run_at_once_each_in_its_own_process(isolation: Isolation) -> None:
    runs = [suspect("poison.naps", {"seconds": 0.5}) for _ in range(3)]
    for run in runs:
        isolation.take(run, 0.0)

    with ThreadPoolExecutor(3) as threads:
        judgements = [*threads.map(lambda run: run.call(), runs)]

    assert [judgement.verdict.ending for judgement in judgements] == [Ending.SUCCESS] * 3
    assert len(isolation._all) == len(isolation._idle) == 3


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
    isolation = Isolation(
        (*COMMAND, "tests.worker.no_such_module"), SystemClock(), GroupRow.alone(8)
    )
    run = suspect("good", {"n": 1})
    isolation.take(run, 0.0)
    assert run.call is not None

    verdict = run.call().verdict  # type: ignore[attr-defined]

    assert (verdict.ending, verdict.failures) == (Ending.BOUNCED, 0)
    assert "no_such_module" in verdict.reason
    isolation.end()


def test_what_runs_at_the_end_is_handed_back(isolation: Isolation) -> None:
    run = suspect("poison.holds")
    isolation.take(run, 0.0)
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(run.call()))  # type: ignore[misc]
    thread.start()
    until(lambda: isolation._all, "it has a process")

    assert isolation.end()
    thread.join(10)

    (judgement,) = results
    assert isinstance(judgement, Judgement)
    assert judgement.verdict.ending is Ending.RELEASED
