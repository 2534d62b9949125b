"""Which jobs a list shows: a `JobFilter` as it stands in an address, and one page of what it finds.

Pure. A filter with a value that means nothing is refused, not left out: an act on "all that match"
must never match more than was meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from pulpo.duration import seconds
from pulpo.errors import UsageError
from pulpo.identity import check_queue, check_type
from pulpo.job import JobState
from pulpo.job_filter import JobFilter, Where

__all__ = ["MOST_PAGES", "PAGE", "ListFilter"]

PAGE = 50
MOST_PAGES = 40
_LONGEST = 200
_MOST_CONDITIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFilter:
    """What a job must be to be shown; `page` counts from 1.

    `older`, `newer` and `where` are what was written, for showing it again.
    """

    wanted: JobFilter = field(default_factory=JobFilter)
    older: str = ""
    newer: str = ""
    where: tuple[str, ...] = ()
    page: int = 1

    @classmethod
    def of(cls, query: Iterable[tuple[str, str]]) -> ListFilter:
        """Read the fields of an address or a form; `where` may come several times, or have lines.

        Raises `UsageError` for values that mean nothing.
        """
        pairs = list(query)
        said = {name: text.strip() for name, text in pairs}
        queue, state, type = (said.get(name, "") for name in ("queue", "state", "type"))
        older, newer, error = (_short(said, name) for name in ("older", "newer", "error"))
        where = _conditions(pairs)
        wanted = JobFilter(
            queue=check_queue(queue) if queue else None,
            state=_state(state) if state else None,
            type=check_type(type) if type else None,
            error=error or None,
            older=seconds(older, "older") if older else None,
            newer=seconds(newer, "newer") if newer else None,
            where=tuple(Where.parse(text) for text in where),
        )
        page = _page(said.get("page") or "1")
        return cls(wanted=wanted, older=older, newer=newer, where=where, page=page)

    @property
    def fields(self) -> dict[str, str]:
        """The filter as the fields of a form, each once."""
        found = {**self._texts(), "where": "\n".join(self.where)}
        return {name: text for name, text in found.items() if text}

    def query(self, *, page: int | None = None) -> str:
        """Return the filter as the query of an address."""
        found = [(name, text) for name, text in self._texts().items() if text]
        found += [("where", text) for text in self.where]
        if page and page > 1:
            found.append(("page", str(page)))
        return urlencode(found)

    def _texts(self) -> dict[str, str]:
        wanted = self.wanted
        return {
            "queue": wanted.queue or "",
            "state": wanted.state.value if wanted.state else "",
            "type": wanted.type or "",
            "error": wanted.error or "",
            "older": self.older,
            "newer": self.newer,
        }


def _state(text: str) -> JobState:
    try:
        return JobState(text)
    except ValueError:
        known = ", ".join(state.value for state in JobState)
        raise UsageError(f"a state is one of {known}: {text[:_LONGEST]!r}") from None


def _conditions(pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    lines = [line.strip() for name, text in pairs if name == "where" for line in text.splitlines()]
    found = tuple(line for line in lines if line)
    if len(found) > _MOST_CONDITIONS or any(len(line) > _LONGEST for line in found):
        raise UsageError(
            f"where has at most {_MOST_CONDITIONS} conditions of {_LONGEST} characters each"
        )
    return found


def _short(said: dict[str, str], name: str) -> str:
    text = said.get(name, "")
    if len(text) > _LONGEST:
        raise UsageError(f"{name} has at most {_LONGEST} characters")
    return text


def _page(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST_PAGES:
        return int(text)
    raise UsageError(f"a page is 1 to {MOST_PAGES}: {text[:_LONGEST]!r}")
