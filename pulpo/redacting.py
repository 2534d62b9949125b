"""What is hidden here: the names in the settings file, else those that always mean a secret."""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.configuration import find_settings
from pulpo.redaction import DEFAULT, Redaction

__all__ = ["configured"]


def configured(more: Sequence[str] = ()) -> Redaction:
    """Return what the settings file hides, and these names too.

    Raises `ConfigurationError`.
    """
    names = find_settings().redact
    return Redaction((*(DEFAULT.patterns if names is None else names), *more))
