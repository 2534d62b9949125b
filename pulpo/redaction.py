"""What of a job is not shown: values under names that say that they are secret.

Pure. Names are those of parameters, of maps in a body, and of headers, at any depth. What is hidden
in a body is hidden in the errors of its job too, where its text stands there again. Nothing in the
queue is changed by this: a handler sees all, and so does whoever may read the queue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pulpo.errors import UsageError
from pulpo.pattern import is_like

if TYPE_CHECKING:
    from pulpo.view import ShownJob  # a worker, which shows no job, needs none of it

__all__ = ["DEFAULT", "HIDDEN", "Redaction", "check_patterns"]

#: What stands in the place of a value that is not shown.
HIDDEN = "[hidden]"
_NAMES = (
    "*password",
    "*passwd",
    "*passphrase",
    "*secret",
    "*token",
    "*api_key",
    "*apikey",
    "*private_key",
    "authorization",
    "cookie",
)
# Shorter texts stand in an error by chance.
_SHORTEST = 4


def check_patterns(patterns: object) -> tuple[str, ...]:
    """Return names and patterns, or say what is wrong with them; a `*` stands for any text."""
    if not isinstance(patterns, list | tuple) or not all(
        isinstance(each, str) and each.strip() for each in patterns
    ):
        raise UsageError(f"redact must be a list of names such as 'password': {patterns!r}")
    return tuple(patterns)


@dataclass(frozen=True, slots=True)
class Redaction:
    """The names whose values are hidden, in capitals or not, with `-` or `_`; none hide nothing."""

    patterns: tuple[str, ...] = _NAMES

    def hides(self, name: object) -> bool:
        """Tell whether what stands under this name is hidden."""
        if not isinstance(name, str):
            return False
        plain = _plain(name)
        return any(is_like(plain, _plain(pattern)) for pattern in self.patterns)

    def value(self, value: object) -> object:
        """Return a decoded value with what is hidden in it left out."""
        if isinstance(value, Mapping):
            return {
                name: HIDDEN if self.hides(name) else self.value(item)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def text(self, text: str, *values: object) -> str:
        """Return a text without what is hidden in these values."""
        if not self.patterns or not text:
            return text
        secrets = {each for value in values for each in self._secrets(value)}
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def job(self, job: ShownJob) -> ShownJob:
        """Return a job as it may be shown."""
        if not self.patterns:
            return job
        if isinstance(job.body, bytes):
            return replace(job, body=self._bytes(job.body))
        inside = (job.body, job.headers)
        headers = self.value(job.headers)
        assert isinstance(headers, Mapping)
        return replace(
            job,
            body=self.value(job.body),
            headers=headers,
            error=None if job.error is None else self.text(job.error, *inside),
            earlier=tuple(self.text(line, *inside) for line in job.earlier),
            problem=None if job.problem is None else self.text(job.problem, *inside),
        )

    def restored(self, new: object, old: object) -> object:
        """Return what somebody has edited with each hidden value as it was.

        Raises `UsageError` where `HIDDEN` stands in a place at which nothing was.
        """
        if isinstance(new, Mapping):
            return {
                name: _was(old, name)
                if item == HIDDEN and self.hides(name)
                else self.restored(item, old.get(name) if isinstance(old, Mapping) else None)
                for name, item in new.items()
            }
        if isinstance(new, list | tuple):
            before = old if isinstance(old, list | tuple) else ()
            return [
                self.restored(item, before[place] if place < len(before) else None)
                for place, item in enumerate(new)
            ]
        return new

    def _bytes(self, body: bytes) -> bytes:
        """Return bytes that nobody can decode; as a whole hidden where a secret may be in them."""
        plain = _plain(body.decode("utf-8", "replace"))
        for pattern in self.patterns:
            word = max(_plain(pattern).split("*"), key=len)
            if word and word in plain:
                return f"{HIDDEN} ({len(body)} bytes)".encode()
        return body

    def _secrets(self, value: object) -> Iterator[str]:
        if isinstance(value, Mapping):
            for name, item in value.items():
                yield from _texts(item) if self.hides(name) else self._secrets(item)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from self._secrets(item)


#: What is hidden where nobody has said anything else.
DEFAULT = Redaction()


def _was(old: object, name: object) -> object:
    if isinstance(old, Mapping) and name in old:
        return old[name]
    raise UsageError(f"{HIDDEN!r} keeps a value that is there, and there is none under {name!r}")


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")


def _texts(value: object) -> Iterator[str]:
    """Yield how a secret, or what is in it, may stand in a text."""
    inside: Iterable[object] = ()
    if isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inside = value
    elif isinstance(value, bytes):
        yield from _texts(value.decode("utf-8", "replace"))
    elif value is not None and not isinstance(value, bool):
        for shown in {str(value), repr(str(value))[1:-1]}:
            if len(shown) >= _SHORTEST:
                yield shown
    for item in inside:
        yield from _texts(item)
