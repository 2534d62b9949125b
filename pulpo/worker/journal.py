"""What a worker tells: one line for each outcome, all of a tick in one write.

Text for people or JSON for machines, on stderr. Whatever a job says about itself is escaped: no
payload forges a line or drives a terminal. Knows outcomes, not how they came about.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TextIO

from pulpo.clock import Clock
from pulpo.duration import as_text
from pulpo.run import CURRENT, Run
from pulpo.worker.decide import Ending, Verdict

__all__ = ["Journal", "log_format"]

_LEVELS = {
    Ending.RETRIED: "WARNING",
    Ending.BURIED: "ERROR",
    Ending.BOUNCED: "WARNING",
    Ending.LOST: "WARNING",
    Ending.EXPIRED: "WARNING",
}


class Journal:
    """Collects lines and writes them together; the loop thread's."""

    def __init__(self, clock: Clock, *, format: str = "text", stream: TextIO | None = None) -> None:
        self._clock = clock
        self._line: Callable[[str, str, Mapping[str, object]], str] = (
            self._as_json if format == "json" else self._as_text
        )
        self._stream = stream or sys.stderr
        self._lines: list[str] = []

    def ended(self, run: Run, verdict: Verdict, seconds: float) -> None:
        """Note how a run ended and how long it took."""
        ending = verdict.ending
        fields: dict[str, object] = {
            "type": run.type,
            "id": run.id,
            "queue": run.queue,
            "attempt": run.attempt,
            "duration": round(seconds, 6),
        }
        if verdict.reason:
            fields["reason"] = verdict.reason
        self._lines.append(self._line(_LEVELS.get(ending, "INFO"), ending.value, fields))

    def say(self, level: str, event: str, **fields: object) -> None:
        """Note something about the worker itself, and write it at once."""
        self._lines.append(self._line(level, event, fields))
        self.flush()

    def flush(self) -> None:
        """Write what was noted; a full disk or a closed pipe costs the lines, never a job."""
        if not self._lines:
            return
        text, self._lines = "".join(self._lines), []
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return

    def _as_text(self, level: str, event: str, fields: Mapping[str, object]) -> str:
        shown = []
        for name, value in fields.items():
            if name == "type":
                shown.append(str(value))
            elif name == "duration":
                shown.append(as_text(float(str(value))))
            elif name == "reason":
                shown.append(f"- {value}")
            else:
                shown.append(f"{name}={value}")
        return f"{self._now()} {level:<7} {event:<9} {escape(' '.join(shown))}\n"

    def _as_json(self, level: str, event: str, fields: Mapping[str, object]) -> str:
        line = {"time": self._now(), "level": level, "event": event, **fields}
        return json.dumps(line, default=str) + "\n"

    def _now(self) -> str:
        moment = datetime.fromtimestamp(self._clock.wall(), UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def escape(text: str) -> str:
    """Return text whose control, line and direction characters are shown, not obeyed."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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
            text += "\n" + self.formatException(record.exc_info)
        shown = moment.replace("+00:00", "Z")
        return f"{shown} {record.levelname:<7} {record.name}{where} {text}"


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
