"""A job as text for people: one row of a list, or a paragraph with everything.

Pure. Every text that comes from a job is escaped here or in the table.
"""

from __future__ import annotations

import json

from pulpo.cli.output import escape
from pulpo.duration import as_text
from pulpo.job import Until
from pulpo.view import ShownJob, as_json
from pulpo.worker.story import as_line

__all__ = ["FIELDS_OF_A_ROW", "paragraph", "row"]

FIELDS_OF_A_ROW = ("id", "queue", "state", "type", "priority", "attempt", "note")

_NOTE = 60
_PREVIEW = 4_096


def row(job: ShownJob) -> list[str]:
    """Return the cells of a job in a list; not escaped yet."""
    return [
        job.id,
        job.queue,
        job.state,
        job.type or "?",
        str(job.priority),
        str(job.attempt),
        _note(job),
    ]


def _note(job: ShownJob) -> str:
    """Why the job is not running, as far as it says."""
    parts = [f"in {as_text(job.due)}"] if job.state == "delayed" else []
    if job.problem:
        parts.append(job.problem)
    elif job.error:
        parts.append(as_line(job.error))
    note = ", ".join(parts)
    return note if len(note) <= _NOTE else note[: _NOTE - 1] + "…"


def paragraph(job: ShownJob) -> str:
    """Return everything about a job, escaped."""
    fields = [
        ("id", job.id),
        ("queue", job.queue),
        ("state", job.state),
        ("type", job.type or "?"),
        ("priority", str(job.priority)),
        ("attempt", str(job.attempt)),
    ]
    if job.origin:
        fields.append(("from", job.origin))
    if job.state == "delayed":
        fields.append(("due", f"in {as_text(job.due)}"))
    if job.problem:
        fields.append(("problem", job.problem))
    fields += [("key", f"{key}, held {_until(until)}") for key, until in job.guards]
    fields += [("headers", _inline(job.headers)), ("body", _body(job.body))]
    fields += [("earlier", line) for line in job.earlier]
    lines = [f"{name:<10}{_indented(text)}" for name, text in fields]
    if job.error:
        lines.append("error\n" + _indented("    " + job.error.rstrip(), by=4))
    return "\n".join(lines)


def _until(until: Until) -> str:
    return f"until {until}" if isinstance(until, str) else f"for {as_text(until)}"


def _inline(value: object) -> str:
    return json.dumps(as_json(value), ensure_ascii=False)


def _body(body: object) -> str:
    if isinstance(body, bytes):
        cut = f"… ({len(body)} bytes)" if len(body) > _PREVIEW else ""
        return body[:_PREVIEW].decode("utf-8", "backslashreplace") + cut
    text = _inline(body)
    return text if len(text) <= 80 else json.dumps(as_json(body), ensure_ascii=False, indent=2)


def _indented(text: str, *, by: int = 10) -> str:
    return escape(text, keep="\n").replace("\n", "\n" + " " * by)
