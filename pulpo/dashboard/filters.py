"""Which jobs a list shows: a `JobFilter` as it stands in an address, and one page of what it finds.

Pure. A filter with a value that means nothing is refused, not left out: an act on "all that match"
must never match more than was meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from pulpo.errors import UsageError
from pulpo.identity import check_queue
from pulpo.job import JobState
from pulpo.job_filter import JobFilter
from pulpo.view import ShownJob

__all__ = ["MOST_PAGES", "PAGE", "ListFilter"]

PAGE = 50
MOST_PAGES = 40
_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFilter:
    """What a job must be to be shown; None and empty texts leave it open. `page` counts from 1."""

    queue: str | None = None
    state: JobState | None = None
    type: str = ""
    error: str = ""
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> ListFilter:
        """Read a filter; raises `UsageError` for values that mean nothing."""
        queue, state = query.get("queue", ""), query.get("state", "")
        return cls(
            queue=check_queue(queue) if queue else None,
            state=_state(state) if state else None,
            type=_text(query, "type"),
            error=_text(query, "error"),
            page=_page(query.get("page") or "1"),
        )

    def query(self, *, page: int | None = None) -> str:
        """Return the filter as the query of an address."""
        found = {
            "queue": self.queue or "",
            "state": self.state.value if self.state else "",
            "type": self.type,
            "error": self.error,
            "page": str(page) if page and page > 1 else "",
        }
        return urlencode({name: value for name, value in found.items() if value})

    @property
    def searches(self) -> bool:
        """Whether jobs must be decoded to tell which ones match."""
        return bool(self.type or self.error)

    @property
    def wanted(self) -> JobFilter:
        """What the command line would be asked for; a part of a type's name is not."""
        return JobFilter(queue=self.queue, state=self.state, error=self.error or None)

    def matches(self, job: ShownJob) -> bool:
        """Tell whether a job is one of those that are searched, by its type and its error."""
        is_type = self.type.casefold() in (job.type or "").casefold()
        # No age is asked for, so it does not matter when that is.
        return is_type and self.wanted.matches(job, now=0.0)


def _state(text: str) -> JobState:
    try:
        return JobState(text)
    except ValueError:
        known = ", ".join(state.value for state in JobState)
        raise UsageError(f"a state is one of {known}: {text[:_LONGEST]!r}") from None


def _text(query: Mapping[str, str], name: str) -> str:
    text = query.get(name, "").strip()
    if len(text) > _LONGEST:
        raise UsageError(f"{name} has at most {_LONGEST} characters")
    return text


def _page(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST_PAGES:
        return int(text)
    raise UsageError(f"a page is 1 to {MOST_PAGES}: {text[:_LONGEST]!r}")
