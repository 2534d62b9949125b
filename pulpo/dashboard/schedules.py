"""The page of schedules, and what an operator does about them, each by a form of its own.

They are read and changed in the facts beside the queue; no code is needed, and no worker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pulpo.adapter import Engine
from pulpo.dashboard.seat import Seat
from pulpo.schedule_desk import pause, resume, run_now, see_all
from pulpo.schedules import check_name
from pulpo.side import SideStore, side_of
from pulpo.telling.schedules import read_schedules

__all__ = ["ScheduleRoutes"]

T = TypeVar("T")

_audit = logging.getLogger("pulpo.audit")
# So many of its next ticks are shown of each.
_COMING = 3


class ScheduleRoutes:
    """The page of one dashboard, and its acts."""

    def __init__(self, seat: Seat, engine: Engine) -> None:
        self._seat = seat
        self._engine = engine

    def pages(self) -> list[Route]:
        """Return what answers to GET."""
        return [Route("/schedules", self.schedules)]

    def acts(self) -> list[Route]:
        """Return what answers to POST."""
        return [
            Route(f"/schedules/{{name:path}}/{verb}", act, methods=["POST"])
            for verb, act in (("run", self.run), ("pause", self.pause), ("resume", self.resume))
        ]

    async def schedules(self, request: Request) -> Response:
        """Show all schedules."""
        now = self._seat.clock.wall()
        found = await self._ask(lambda store: see_all(store, now, coming=_COMING))
        return self._seat.pages.page(request, "schedules.html", schedules=found or (), now=now)

    async def run(self, request: Request) -> Response:
        """Publish a job of a schedule now."""
        name, now = check_name(request.path_params["name"]), self._seat.clock.wall()

        def publish(store: SideStore) -> str:
            fact = read_schedules(store, [name]).get(name)
            if fact is None:
                return "schedule-gone"
            with closing(self._engine.adapter()) as adapter:
                ref = run_now(adapter, fact, self._seat.keys, now)
            return "schedule-busy" if ref.existing else "schedule-run"

        return await self._act(request, "run", name, publish)

    async def pause(self, request: Request) -> Response:
        """Publish no more ticks of a schedule."""
        name = check_name(request.path_params["name"])

        def stop(store: SideStore) -> str:
            return "schedule-gone" if pause(store, name) is None else "schedule-paused"

        return await self._act(request, "pause", name, stop)

    async def resume(self, request: Request) -> Response:
        """Let a schedule go on."""
        name, now = check_name(request.path_params["name"]), self._seat.clock.wall()

        def go_on(store: SideStore) -> str:
            return "schedule-gone" if resume(store, name, now) is None else "schedule-resumed"

        return await self._act(request, "resume", name, go_on)

    async def _act(
        self, request: Request, verb: str, name: str, do: Callable[[SideStore], str]
    ) -> Response:
        said = await self._ask(do) or "schedule-gone"
        _audit.info("%s schedule %r: %s", verb, name, said)
        self._seat.counts.forget()
        root = request.scope.get("root_path", "")
        return RedirectResponse(f"{root}/schedules?{urlencode({'said': said})}", 303)

    async def _ask(self, work: Callable[[SideStore], T]) -> T | None:
        """Do something with the store, in a thread; None where this queue has none."""

        def ask() -> T | None:
            store = side_of(self._engine)
            if store is None:
                return None
            with closing(store):
                return work(store)

        return await self._seat.doors.ask(lambda _: ask())
