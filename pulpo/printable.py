"""Text of strangers, made harmless to look at: what does not print is shown as its number.

Job types, bodies and error texts were written by others: controls, escapes and marks that turn the
direction of text drive no terminal and deceive no reader. Knows neither terminal nor page.
"""

from __future__ import annotations

__all__ = ["escape"]

# Those that everybody knows by a letter.
_LETTERS = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str, *, keep: str = "") -> str:
    """Return the text with all that does not print as `\\n` or `\\u001b`; `keep` stays as it is."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else _number_of(char) for char in text
    )


def _number_of(char: str) -> str:
    if char in _LETTERS:
        return _LETTERS[char]
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
