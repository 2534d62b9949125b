"""Where in a job the value is that can't be written: its way from the outside, for an error's text.

Pure. What can be written is asked of whoever writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["way_to_culprit"]

# Of the way to a value that has no place on the wire.
_STEPS_SHOWN = 4


def way_to_culprit(values: Mapping[str, object], can_write: Callable[[object], bool]) -> str:
    """Return the way to the first value that can't be written, such as `body['user'][0]: `."""
    for place, value in values.items():
        if not can_write(value):
            return f"{_way(place, value, can_write)}: "
    return ""


def _way(place: str, value: object, can_write: Callable[[object], bool]) -> str:
    for _ in range(_STEPS_SHOWN):
        items = enumerate(value) if isinstance(value, list | tuple) else ()
        named = value.items() if isinstance(value, Mapping) else items
        bad = next(((key, item) for key, item in named if not can_write(item)), None)
        if bad is None:
            break
        place, value = f"{place}[{bad[0]!r:.80}]", bad[1]
    return place
