"""Places in a job's body, as an operator names them: `user_id`, `items[0].sku`, `items.0.sku`.

Names lead into maps, whole numbers into lists. Pure; knows no job.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulpo.errors import UsageError

__all__ = ["BodyPath"]

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class BodyPath:
    """The steps from a body down to one of its values; no step at all is the body itself."""

    steps: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> BodyPath:
        """Read a path; a leading `body` is the body itself. Raises `UsageError`."""
        steps: list[str] = []
        at = 0
        while at < len(text):
            found = _STEP.match(text, at)
            if found is None or (text[at] == "." and not steps):
                raise UsageError(f"a place in a body must be like 'items[0].sku': {text!r}")
            steps.append(found[1] or found[2])
            at = found.end()
        if steps[:1] == ["body"]:
            return cls(tuple(steps[1:]))
        return cls(tuple(steps))

    def __str__(self) -> str:
        return ".".join(("body", *self.steps))

    def value(self, body: object) -> object:
        """Return the value at this place; raises `LookupError` where there is none."""
        for step in self.steps:
            body = _below(body, step)
        return body

    def replaced(self, body: object, value: object) -> object:
        """Return a copy of the body with another value at this place; nothing else differs.

        The last step may be a new name in a map. Raises `LookupError` where the way ends before.
        """
        if not self.steps:
            return value
        step, rest = self.steps[0], BodyPath(self.steps[1:])
        if isinstance(body, Mapping):
            below = body.get(step) if not rest.steps else _below(body, step)
            return {**body, step: rest.replaced(below, value)}
        below = _below(body, step)
        assert isinstance(body, list | tuple)
        items = list(body)
        items[int(step)] = rest.replaced(below, value)
        return items


def _below(value: object, step: str) -> object:
    if isinstance(value, Mapping):
        return value[step]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and step.isdecimal():
        return value[int(step)]
    raise LookupError(step)
