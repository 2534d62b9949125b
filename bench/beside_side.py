"""pulpo with jobs that have a limit among those that have none, or the same without them."""

from __future__ import annotations

from dataclasses import replace

from bench.jobs import LIMITED
from bench.place import Place
from bench.pulpo_side import PulpoSide

__all__ = ["BesideSide"]


class BesideSide(PulpoSide):
    """Its workers know both types, and beside a beanstalkd they have a file for the slots."""

    def __init__(self, place: Place, *, limited: bool) -> None:
        if place.engine == "beanstalkd":
            url = f"{place.url}?side=sqlite:///{place.folder / 'side.db'}"
            place = replace(place, url=url)
        super().__init__(place)
        self._limited = limited

    def put_limited(self, first: int, count: int) -> int:
        """Put jobs with a limit into the queue, numbered from `first`; return how many."""
        if not self._limited:
            return 0
        self.batches(first, count, job=LIMITED)()
        return count
