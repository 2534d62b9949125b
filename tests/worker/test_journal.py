"""What a worker tells, as text and as JSON, and what no job can make it tell."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo.clock import ManualClock
from pulpo.job import Verb
from pulpo.printable import escape
from pulpo.run import CURRENT
from pulpo.worker.decide import SUCCESS, Ending, Verdict
from pulpo.worker.journal import Journal, log_format
from tests.worker.stage import run_of

BURIED = Verdict(Ending.BURIED, Verb.BURY, failures=1, error="x", reason="bad\x1b[2J order\u202e")


def told(format: str, verdict: Verdict = SUCCESS, seconds: float = 0.25, **headers: Any) -> str:
    stream = io.StringIO()
    journal = Journal(ManualClock(), format=format, stream=stream)
    journal.ended(run_of(**headers), verdict, seconds)
    journal.flush()
    return stream.getvalue()


def test_a_line_of_text_has_everything_that_an_operator_greps_for() -> None:
    assert told("text", failures=2) == (
        "2027-01-15T08:00:00.000Z INFO    success   t id=id-1 queue=default attempt=3 250ms\n"
    )


def test_a_line_of_json_has_the_same_in_fields() -> None:
    assert json.loads(told("json", failures=2)) == {
        "time": "2027-01-15T08:00:00.000Z",
        "level": "INFO",
        "event": "success",
        "type": "t",
        "id": "id-1",
        "queue": "default",
        "attempt": 3,
        "duration": 0.25,
    }


def test_the_reason_of_a_job_drives_no_terminal() -> None:
    line = told("text", BURIED)

    assert line.endswith(r" - bad\u001b[2J order\u202e" + "\n")
    assert " ERROR   buried " in line


def test_the_reason_of_a_job_is_in_the_json() -> None:
    assert json.loads(told("json", BURIED))["reason"] == BURIED.reason


@given(st.text() | st.just("\ud800\n"), st.sampled_from(["text", "json"]))
def test_no_reason_forges_a_line(reason: str, format: str) -> None:
    line = told(format, Verdict(Ending.BURIED, Verb.BURY, reason=reason))

    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    line.encode()


@given(st.text())
def test_escaped_text_is_printable(text: str) -> None:
    assert escape(text).isprintable()
    assert not text.isprintable() or escape(text) == text


def test_all_outcomes_of_a_tick_are_one_write() -> None:
    writes: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            writes.append(text)
            return len(text)

    journal = Journal(ManualClock(), stream=Stream())
    for number in range(3):
        journal.ended(run_of(number=number), SUCCESS, 0.1)
    journal.flush()
    journal.flush()

    assert len(writes) == 1
    assert writes[0].count("\n") == 3


def test_what_the_worker_says_comes_after_the_outcomes_before_it() -> None:
    stream = io.StringIO()
    journal = Journal(ManualClock(), stream=stream)
    journal.ended(run_of(), SUCCESS, 0.1)
    journal.say("INFO", "stopping", grace="5s", reason="told to\nstop")

    first, second = stream.getvalue().splitlines()
    assert "success" in first
    assert second == "2027-01-15T08:00:00.000Z INFO    stopping  grace=5s - told to\\nstop"


def test_an_event_in_json_takes_any_value() -> None:
    stream = io.StringIO()
    Journal(ManualClock(), format="json", stream=stream).say("INFO", "started", path={1}, n=2)

    line = json.loads(stream.getvalue())
    assert (line["event"], line["path"], line["n"]) == ("started", "{1}", 2)


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(28, "No space left"), ValueError()])
def test_a_stream_that_fails_costs_the_lines_and_nothing_else(error: Exception) -> None:
    class Broken(io.StringIO):
        broken = True

        def write(self, text: str) -> int:
            if self.broken:
                raise error
            return super().write(text)

    stream = Broken()
    journal = Journal(ManualClock(), stream=stream)
    journal.ended(run_of(), SUCCESS, 0.1)
    journal.flush()
    stream.broken = False
    journal.say("INFO", "back")

    assert "success" not in stream.getvalue()
    assert "back" in stream.getvalue()


@contextmanager
def bare_root() -> Iterator[logging.Logger]:
    # Inside the test: pytest adds handlers of its own when a test begins.
    """The root logger as it is in a process that set up nothing."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(capsys: pytest.CaptureFixture[str], *, inside: bool, error: bool = False) -> str:
    token = CURRENT.set(run_of()) if inside else None
    try:
        try:
            raise ValueError("oops")
        except ValueError:
            logging.getLogger("shop").warning("stock of %s\nis low", "tea", exc_info=error)
    finally:
        if token is not None:
            CURRENT.reset(token)
    return capsys.readouterr().err


def test_what_a_handler_logs_names_its_job(capsys: pytest.CaptureFixture[str]) -> None:
    with bare_root():
        log_format("text", verbose=False)

        inside = logged(capsys, inside=True)
        assert inside.endswith(" WARNING shop id=id-1 stock of tea\\nis low\n")
        assert " shop stock of tea" in logged(capsys, inside=False)
        assert "ValueError: oops" in logged(capsys, inside=True, error=True)


def test_a_logged_traceback_forges_no_line_and_drives_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with bare_root():
        log_format("text", verbose=False)
        try:
            raise ValueError("\x1b[2J\r\n2026-01-01T00:00:00.000Z INFO    success   forged id=1")
        except ValueError:
            logging.getLogger("shop\x1b").exception("it failed")
    first, *below = capsys.readouterr().err.splitlines()

    assert first.endswith("shop\\u001b it failed")
    assert all(line.startswith("    ") and line.isprintable() for line in below)
    assert below[-2:] == [
        "    ValueError: \\u001b[2J\\r",
        "    2026-01-01T00:00:00.000Z INFO    success   forged id=1",
    ]


def test_what_a_handler_logs_is_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with bare_root():
        log_format("json", verbose=False)

        line = json.loads(logged(capsys, inside=True, error=True))
    assert (line["id"], line["type"], line["attempt"]) == ("id-1", "t", 1)
    assert (line["logger"], line["message"]) == ("shop", "stock of tea\nis low")
    assert "ValueError: oops" in line["error"]


def test_an_application_that_set_up_its_logging_keeps_it() -> None:
    own = logging.NullHandler()
    with bare_root() as root:
        root.addHandler(own)

        log_format("json", verbose=True)

        assert root.handlers == [own]
