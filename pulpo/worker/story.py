"""The story that a job carries: its errors, brought up to date and kept small.

Pure. The last failure is told in full, each earlier one in a line; where the job would not fit its
queue any more, the story gives way, never the body.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from pulpo.codec import Codec
from pulpo.envelope import Envelope

__all__ = ["as_line", "clean", "encode_within", "extended", "tell"]

LONGEST_ERROR = 4_096
# Of these, an error's own words without its frames, in characters.
LONGEST_WORDS = 1_024
LONGEST_LINE = 200
MOST_LINES = 25


def tell(error: BaseException) -> str:
    """Return an error with its traceback, from the handler's own frames on."""
    try:
        # The first frames are pulpo's call of the handler: they say nothing to its author.
        own = error.__traceback__
        while own is not None and own.tb_frame.f_globals.get("__name__") in _OURS:
            own = own.tb_next
        text = "".join(traceback.format_exception(type(error), error, own or error.__traceback__))
        words = "".join(traceback.format_exception_only(error))
    except BaseException as second:  # noqa: BLE001  # an exception's own attributes may raise
        text = words = f"{type(error).__name__} (its text raised {type(second).__name__})"
    return _tail(_with_short_words(clean(text.rstrip()), clean(words.rstrip())))


def _with_short_words(text: str, words: str) -> str:
    """Return an error whose own words leave room for its frames; of many words the first count."""
    if len(words) <= LONGEST_WORDS or not text.endswith(words):
        return text
    return f"{text[: -len(words)]}{words[:LONGEST_WORDS]} ..."


_OURS = (
    "pulpo.worker.execute",
    "pulpo.middleware",
    "pulpo.function",
    "pulpo.handlers",
    "pulpo.arguments",
)


def clean(text: str) -> str:
    """Return text that UTF-8 can hold, so that a strange error never stops its own telling."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


_CUT = "... "
# How `traceback` joins the errors of a chain.
_CHAINED = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)


def as_line(text: str) -> str:
    """Return the line that says most: of a traceback the error itself, of other text the first."""
    lines = [line for line in text.strip().splitlines() if line.strip()] or [""]
    # Of chained errors the last one ended the run; the others say why.
    lines = lines[max((n for n, line in enumerate(lines, 1) if line in _CHAINED), default=0) :]
    if not lines:
        return ""
    first, *below = lines
    if first.startswith("Traceback (most recent call last)") or (
        first.startswith(_CUT) and any(line.startswith('  File "') for line in below)
    ):
        # The error stands below its frames, which are indented; more lines of it may follow.
        told = [line for line in below if not line.startswith(" ")]
    elif "Exception Group Traceback (most recent call last)" in first:
        told = [line[4:] for line in below if line.startswith("  | ") and line[4:5] != " "]
    else:
        told = []
    return (told or lines)[0][:LONGEST_LINE]


def extended(errors: Sequence[str], text: str) -> list[str]:
    """Return the errors with one more, in full; what was in full before becomes a line."""
    return [*(as_line(earlier) for earlier in errors), _tail(clean(text))][-MOST_LINES:]


def encode_within(codec: Codec, envelope: Envelope, limit: int) -> bytes:
    """Return the envelope's bytes, with as much of its story as the queue takes.

    Where even an envelope without errors is too big, that one is returned: the queue refuses it
    and the engine falls back to a plain verb.
    """
    body = codec.encode(envelope.headers, envelope.body)
    errors = list(envelope.errors)
    while len(body) > limit and errors:
        if len(errors[-1]) > LONGEST_LINE:
            errors[-1] = _tail(errors[-1], max(LONGEST_LINE, len(errors[-1]) // 2))
        else:
            errors.pop(0)
        shorter = envelope.with_headers(errors=errors or None)
        body = codec.encode(shorter.headers, shorter.body)
    return body


def _tail(text: str, longest: int = LONGEST_ERROR) -> str:
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw) <= longest:
        return text
    return _CUT + raw[len(raw) - longest + len(_CUT) :].decode("utf-8", "ignore")
