"""What a form of ours sends: read with limits, before anything of it is used."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from urllib.parse import parse_qsl

from pulpo.errors import UsageError

__all__ = ["FormTooLargeError", "read_form"]

# A job of the largest usual size (64 KB), with every byte of it quoted, and room for the rest.
LARGEST_FORM = 1_048_576
_MOST_FIELDS = 50


class FormTooLargeError(UsageError):
    """A form that no page of ours sends."""


async def read_form(content_type: str, chunks: AsyncIterable[bytes]) -> Mapping[str, str]:
    """Return the fields of a form; of a field that comes twice the last value.

    Raises `UsageError` for what is no form, `FormTooLargeError` before the rest of it is read.
    """
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise UsageError(f"a form is application/x-www-form-urlencoded: {content_type[:100]!r}")
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > LARGEST_FORM:
            raise FormTooLargeError(f"a form has at most {LARGEST_FORM} bytes")
    try:
        return dict(
            parse_qsl(
                body.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=_MOST_FIELDS,
            )
        )
    except ValueError as error:
        raise UsageError(f"not a form: {error}") from None
