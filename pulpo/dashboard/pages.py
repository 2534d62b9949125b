"""The pages: what each address shows. They only look; what acts is in `pulpo.dashboard.acts`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pulpo.adapter import QueueAdmin
from pulpo.dashboard.charts import chart
from pulpo.dashboard.editing import editable
from pulpo.dashboard.filters import ListFilter
from pulpo.dashboard.looking import MOST_LOOKED_AT, MOST_NUMBERS, find
from pulpo.dashboard.reading import JobPage
from pulpo.dashboard.rendering import quoted
from pulpo.dashboard.seat import Seat
from pulpo.identity import check_id, check_queue
from pulpo.job import JobState

__all__ = ["PageRoutes"]


class PageRoutes:
    """The pages of one dashboard."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def routes(self) -> list[Route]:
        """Return what answers to GET."""
        return [
            Route("/", self.overview),
            Route("/queues/{name:path}", self.queue),
            Route("/jobs", self.jobs),
            Route("/jobs/{id:path}", self.job),
            Route("/workers", self.workers),
            Route("/types", self.types),
            Route("/robots.txt", _robots),
        ]

    async def overview(self, request: Request) -> Response:
        """Show all queues."""
        seat = self._seat
        counted = await seat.counts.current()
        now = seat.clock.monotonic()
        page = await seat.doors.ask(lambda admin: seat.reading.overview(admin, counted, now))
        return seat.pages.page(
            request,
            "overview.html",
            page=page,
            errand=seat.errands.shown,
            chart=chart(page.minutes),
        )

    async def queue(self, request: Request) -> Response:
        """Show one queue."""
        seat, name = self._seat, check_queue(request.path_params["name"])
        counted = await seat.counts.current()
        page = await seat.doors.ask(lambda admin: seat.reading.queue(admin, name, counted))
        exists = counted is None or name in counted.names
        return seat.pages.page(
            request,
            "queue.html",
            page=page,
            errand=seat.errands.shown,
            exists=exists,
            chart=chart(page.minutes),
        )

    async def jobs(self, request: Request) -> Response:
        """List jobs by a filter; an id that is searched for leads to its job at once."""
        seat, wanted = self._seat, request.query_params.get("q", "").strip()
        if wanted:
            root = request.scope.get("root_path", "")
            return RedirectResponse(f"{root}/jobs/{quoted(check_id(wanted))}", 303)
        shown = ListFilter.of(request.query_params.multi_items())
        counted = await seat.counts.current()
        now = seat.clock.wall()
        page = await seat.doors.ask(lambda admin: seat.reading.jobs(admin, shown, counted, now))
        return seat.pages.page(
            request,
            "jobs.html",
            page=page,
            errand=seat.errands.shown,
            types=seat.reading.known_types(),
            names=() if counted is None else counted.names,
            states=[state.value for state in JobState],
            most=MOST_LOOKED_AT,
        )

    async def job(self, request: Request) -> Response:
        """Show one job."""
        seat, job_id = self._seat, check_id(request.path_params["id"])
        counted = await seat.counts.current()

        def read(admin: QueueAdmin) -> tuple[JobPage | None, bool, object]:
            page, complete = seat.reading.job(admin, job_id, counted, seat.clock.wall())
            found = None if page is None else find(admin, job_id)[0]
            return (
                page,
                complete,
                None if found is None else editable(found, seat.keys, seat.hidden),
            )

        page, complete, can = await seat.doors.ask(read)
        if page is None:
            return seat.pages.page(
                request, "no_job.html", 404, id=job_id, complete=complete, numbers=MOST_NUMBERS
            )
        return seat.pages.page(request, "job.html", page=page, job=page.job, can_edit=can)

    async def workers(self, request: Request) -> Response:
        """Show who works, and the stacks that somebody has asked for."""
        seat = self._seat
        page = await seat.doors.ask(lambda _: seat.reading.workers())
        return seat.pages.page(request, "workers.html", page=page, workers=page.workers)

    async def types(self, request: Request) -> Response:
        """Show which types of jobs there are."""
        seat = self._seat
        page = await seat.doors.ask(seat.reading.types)
        return seat.pages.page(request, "types.html", page=page)


async def _robots(_: Request) -> Response:
    return PlainTextResponse("User-agent: *\nDisallow: /\n")
