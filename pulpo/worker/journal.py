"""What a worker tells: one line for each outcome, all of a tick in one write.

Text for people or JSON for machines, on stderr. Whatever a job says about itself is escaped: no
payload forges a line or drives a terminal, and what a redaction hides is not told. Knows outcomes,
not how they came about.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TextIO

from pulpo.clock import Clock
from pulpo.duration import as_text
from pulpo.printable import escape
from pulpo.redaction import DEFAULT, Redaction
from pulpo.run import CURRENT, Run
from pulpo.worker.decide import SUCCESS, Ending, Verdict

__all__ = ["Ended", "Journal", "log_format"]

_LEVELS = {
    Ending.RETRIED.value: "WARNING",
    Ending.BURIED.value: "ERROR",
    Ending.BOUNCED.value: "WARNING",
    Ending.LOST.value: "WARNING",
    Ending.EXPIRED.value: "WARNING",
}


# A run, how it ended, and how many seconds it took.
Ended = tuple[Run, Verdict, float]


class Journal:
    """Collects what happened and writes it together; one thread's.

    `counts` are told the outcomes of each tick as well.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        format: str = "text",
        stream: TextIO | None = None,
        counts: Sequence[Callable[[Sequence[Ended]], None]] = (),
        redaction: Redaction = DEFAULT,
    ) -> None:
        self._clock = clock
        self._redaction = redaction
        self._counts = counts
        self._outcome = _outcome_as_json if format == "json" else _outcome_as_text
        self._event = _event_as_json if format == "json" else _event_as_text
        self._stream = stream or sys.stderr
        self._outcomes: list[Ended] = []

    def ended(self, run: Run, verdict: Verdict, seconds: float) -> None:
        """Note how a run ended and how long it took."""
        if verdict.reason:
            verdict = self._without_secrets(run, verdict)
        self._outcomes.append((run, verdict, seconds))

    def _without_secrets(self, run: Run, verdict: Verdict) -> Verdict:
        """Return a verdict whose reason quotes nothing that is hidden in the job's body."""
        told = self._redaction.text(verdict.reason, run.envelope.body, run.envelope.headers)
        return verdict if told == verdict.reason else replace(verdict, reason=told)

    def say(self, level: str, event: str, **fields: object) -> None:
        """Tell something about the worker itself, at once; a field `stack` may have many lines."""
        self.flush()
        self._write(self._event(self._now(), level, event, fields))

    def flush(self) -> None:
        """Write the outcomes that were noted."""
        if self._outcomes:
            for count in self._counts:
                count(self._outcomes)
            now, outcome = self._now(), self._outcome
            told = "".join([outcome(now, *noted) for noted in self._outcomes])
            self._outcomes.clear()
            self._write(told)

    def _write(self, text: str) -> None:
        # A full disk or a closed pipe costs the lines, never a job.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()

    def _now(self) -> str:
        moment = datetime.fromtimestamp(self._clock.wall(), UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _outcome_as_text(now: str, run: Run, verdict: Verdict, seconds: float) -> str:
    # Types, ids and queues hold printable characters only: they were checked when decoded.
    line = (
        f"{now} {_SUCCESS if verdict is SUCCESS else _head(verdict)} {run.type} id={run.id} "
        f"queue={run.queue} attempt={run.attempt} {as_text(seconds)}"
    )
    return f"{line} - {escape(verdict.reason)}\n" if verdict.reason else f"{line}\n"


def _head(verdict: Verdict) -> str:
    ending = verdict.ending.value
    return f"{_LEVELS.get(ending, 'INFO'):<7} {ending:<9}"


_SUCCESS = _head(SUCCESS)  # nearly always


def _outcome_as_json(now: str, run: Run, verdict: Verdict, seconds: float) -> str:
    ending = verdict.ending.value
    line: dict[str, object] = {
        "time": now,
        "level": _LEVELS.get(ending, "INFO"),
        "event": ending,
        "type": run.type,
        "id": run.id,
        "queue": run.queue,
        "attempt": run.attempt,
        "duration": round(seconds, 6),
    }
    if verdict.reason:
        line["reason"] = verdict.reason
    return json.dumps(line) + "\n"


_AT_THE_END = ("reason", "stack")


def _event_as_text(now: str, level: str, event: str, fields: Mapping[str, object]) -> str:
    shown = " ".join(f"{name}={value}" for name, value in fields.items() if name not in _AT_THE_END)
    why = f" - {fields['reason']}" if "reason" in fields else ""
    stack = _indented(str(fields["stack"])) if fields.get("stack") else ""
    return f"{now} {level:<7} {event:<9} {escape(shown + why)}".rstrip() + f"{stack}\n"


def _event_as_json(now: str, level: str, event: str, fields: Mapping[str, object]) -> str:
    return json.dumps({"time": now, "level": level, "event": event, **fields}, default=str) + "\n"


def log_format(format: str, *, verbose: bool) -> None:
    """Send what handlers log to stderr, in the worker's own format, unless they set that up."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if format == "json" else _Text())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else logging.INFO)


class _Text(logging.Formatter):
    """A log record as the worker's own lines look."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        run = CURRENT.get(None)
        where = f" id={run.id}" if run is not None else ""
        text = escape(record.getMessage())
        if record.exc_info:
            text += _indented(self.formatException(record.exc_info))
        shown = moment.replace("+00:00", "Z")
        return f"{shown} {record.levelname:<7} {escape(record.name)}{where} {text}"


def _indented(text: str) -> str:
    """Return lines below the line of a log record, none of which can be taken for another one."""
    return "".join(f"\n    {escape(line)}" for line in text.split("\n"))


class _Json(logging.Formatter):
    """A log record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "event": "log",
            "logger": record.name,
            "message": record.getMessage(),
        }
        run = CURRENT.get(None)
        if run is not None:
            line |= {"id": run.id, "type": run.type, "queue": run.queue, "attempt": run.attempt}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
