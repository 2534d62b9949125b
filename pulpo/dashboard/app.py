"""The dashboard as an ASGI application: its parts put together, and how it answers in trouble.

Opens nothing before the first page. Which URL is served and who may come in is decided here.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

import pulpo
from pulpo.app import Pulpo
from pulpo.clock import SystemClock
from pulpo.dashboard.access import Access, Hosts, new_token
from pulpo.dashboard.acts import ActRoutes
from pulpo.dashboard.bulk import ChangedError
from pulpo.dashboard.bulk_acts import BulkRoutes
from pulpo.dashboard.counting import Counts
from pulpo.dashboard.doors import Doors
from pulpo.dashboard.errands import BusyError, Errands
from pulpo.dashboard.guard import Auth, Guard
from pulpo.dashboard.pages import PageRoutes
from pulpo.dashboard.reading import Reading
from pulpo.dashboard.rendering import Pages
from pulpo.dashboard.schedules import ScheduleRoutes
from pulpo.dashboard.seat import Seat
from pulpo.dashboard.side import Telling
from pulpo.dashboard.told import SideTelling
from pulpo.errors import CodecError, NotAcceptedError, QueueError, UnsupportedError, UsageError
from pulpo.queue_url import mask
from pulpo.redacting import configured
from pulpo.redaction import Redaction

__all__ = ["TOKEN", "build", "create_app"]

TOKEN = "PULPO_DASHBOARD_TOKEN"  # the name of the variable
_Handler: TypeAlias = Callable[[Request, Exception], Awaitable[Response]]
_STATIC = Path(__file__).parent / "static"


def create_app(url: str | None = None, *, auth: Auth | None = None) -> Starlette:
    """Return the dashboard of a queue, to be mounted in an ASGI application.

    `url` is found as everywhere where it is None. `auth` is called with each request and returns
    (or is awaited for) `"admin"`, `"viewer"` or None. Without `auth` the token in
    `PULPO_DASHBOARD_TOKEN` opens it, at `/?token=`; without both nobody gets in. Which names the
    host goes by, the application around it decides. Raises `UsageError` for a URL that no engine
    knows.
    """
    app = pulpo.default_app() if url is None else Pulpo(url)
    return build(app, token=os.environ.get(TOKEN) or new_token(), auth=auth)


def build(
    app: Pulpo,
    *,
    token: str,
    auth: Auth | None = None,
    hosts: Hosts | None = None,
    read_only: bool = False,
    told: Telling | None = None,
    hidden: Redaction | None = None,
) -> Starlette:
    """Return the dashboard of an app's queue, without what of its jobs is `hidden`."""
    seat = _seat(app, read_only=read_only, told=told, hidden=hidden or configured())
    schedules = ScheduleRoutes(seat, app.engine)
    acting = [*BulkRoutes(seat).routes(), *ActRoutes(seat).routes(), *schedules.acts()]
    routes: list[BaseRoute] = [
        Mount("/static", StaticFiles(directory=_STATIC)),
        *([] if read_only else acting),
        *PageRoutes(seat).routes(),
        *schedules.pages(),
    ]
    guard = Middleware(
        Guard,
        pages=seat.pages,
        access=Access(token),
        hosts=hosts,
        auth=auth,
        read_only=read_only,
    )
    page = Starlette(
        routes=routes,
        middleware=[guard],
        exception_handlers=dict(_handlers(seat.pages)),
        lifespan=_closing(seat),
    )
    # A mounted application is not told of the end of the one around it: who minds calls this.
    page.state.close = seat.close
    page.state.errands = seat.errands
    return page


def _closing(seat: Seat) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        seat.close()

    return lifespan


def _seat(app: Pulpo, *, read_only: bool, told: Telling | None, hidden: Redaction) -> Seat:
    doors, clock = Doors(app.engine), SystemClock()
    told = told or SideTelling(app.engine, clock)
    return Seat(
        doors=doors,
        counts=Counts(doors.submit, clock),
        errands=Errands(app.engine, clock),
        reading=Reading(keys=app.codec, registry=app.registry, told=told, hidden=hidden),
        pages=Pages(shown_url=app.shown_url, read_only=read_only),
        keys=app.codec,
        hidden=hidden,
        clock=clock,
    )


def _handlers(pages: Pages) -> dict[type[Exception], _Handler]:
    """Say of each kind of trouble what it is; the last entry that fits its class counts."""

    def answer(code: int) -> _Handler:
        async def handle(request: Request, error: Exception) -> Response:
            return pages.page(request, "trouble.html", code, code=code, reason=_shown(error))

        return handle

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if not hasattr(request.state, "csrf"):  # a file that is not there, asked for by nobody
            return Response(status_code=error.status_code, headers=error.headers)
        return pages.page(
            request,
            "trouble.html",
            error.status_code,
            code=error.status_code,
            reason="there is no such page" if error.status_code == 404 else error.detail,
        )

    return {
        HTTPException: http,
        UsageError: answer(400),
        CodecError: answer(400),
        UnsupportedError: answer(409),
        ChangedError: answer(409),
        BusyError: answer(409),
        NotAcceptedError: answer(409),
        QueueError: answer(503),
    }


def _shown(error: Exception) -> str:
    """Return what an error says; a URL in it loses its secrets."""
    return re.sub(r"\S+://\S+", lambda found: mask(found[0]), str(error))
