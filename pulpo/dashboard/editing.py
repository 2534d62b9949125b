"""What of a waiting job can be edited, and what the form of a job asks for.

Pure apart from encoding. How a job is written anew is `pulpo.amend`'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pulpo.amend import edited, trusted
from pulpo.body_path import BodyPath
from pulpo.codec import Codec
from pulpo.duration import seconds
from pulpo.envelope import UNDECODABLE, Envelope
from pulpo.errors import CodecError, UsageError
from pulpo.identity import check_priority, check_queue
from pulpo.job import ListedJob, NewJob
from pulpo.redaction import Redaction
from pulpo.view import as_json

__all__ = ["Editable", "editable", "rewritten"]


# In bytes: what a form still holds once every byte of it is quoted.
_LONGEST_BODY = 131_072


@dataclass(frozen=True, slots=True, kw_only=True)
class Editable:
    """What of a job can be edited: nothing where there is a `reason`.

    `has_plain_body` = a form can hold its body without a loss; else the body stays as it is. The
    form holds `body`, in which what is hidden stands as a mark that keeps it.
    """

    envelope: Envelope | None = None
    body: object = None
    reason: str = ""
    has_plain_body: bool = False


def editable(job: ListedJob, keys: Codec, hidden: Redaction) -> Editable:
    """Tell what of a job can be edited."""
    try:
        envelope = trusted(job, keys)
    except CodecError as error:
        return Editable(reason=str(error))
    if envelope.type == UNDECODABLE:
        return Editable(reason="its bytes are not a job")
    is_plain = len(job.body) <= _LONGEST_BODY and _is_plain(envelope.body)
    body = hidden.value(envelope.body)
    return Editable(envelope=envelope, body=body, has_plain_body=is_plain)


def _is_plain(value: object) -> bool:
    if type(value) is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    if type(value) is list:
        return all(map(_is_plain, value))
    # NaN is shown as text, so it is not equal to what is shown.
    return value is None or (type(value) in (bool, int, float, str) and as_json(value) == value)


def rewritten(
    job: ListedJob, form: Mapping[str, str], keys: Codec, hidden: Redaction, *, now: float
) -> NewJob:
    """Return the job with what the form says; raises `UsageError` naming the field.

    `now` is in seconds since the epoch.
    """
    found = editable(job, keys, hidden)
    if found.envelope is None:
        raise UsageError(f"this job can't be edited: {found.reason}")
    values: list[tuple[BodyPath, object]] = []
    if found.has_plain_body and "body" in form:
        body = hidden.restored(_parsed(form["body"]), found.envelope.body)
        values.append((BodyPath(()), body))
    return edited(
        job,
        keys,
        now=now,
        values=values,
        queue=check_queue(form.get("queue") or job.queue),
        priority=check_priority(_whole(form.get("priority") or str(job.priority), "priority")),
        # The operator's word counts, not the date that it was published for.
        delay=seconds(form.get("delay") or "0", "delay"),
    )


def _parsed(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the payload is not JSON: {error}") from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _whole(text: str, name: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 12:
        return int(text)
    raise UsageError(f"{name} is a whole number: {text[:50]!r}")
