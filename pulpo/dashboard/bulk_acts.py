"""Acts on many jobs: the forms above a list, and `kick` of a queue.

Each is begun as an errand and waited for a little: most are done by then, and what is not goes on
while the pages say how far it is. Answered with 303, as every act.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pulpo.adapter import QueueAdmin
from pulpo.bulk import Order
from pulpo.dashboard.bulk import (
    Bulk,
    ChangedError,
    act_on_all,
    act_on_kept,
    count_all,
    kick_queue,
)
from pulpo.dashboard.doing import order
from pulpo.dashboard.errands import Errand, Stage, waited_for
from pulpo.dashboard.filters import ListFilter
from pulpo.dashboard.rendering import quoted
from pulpo.dashboard.seat import Seat
from pulpo.dashboard.verbs import ACTS
from pulpo.errors import UsageError
from pulpo.identity import check_queue

__all__ = ["DONE", "BulkRoutes", "led_back"]

_audit = logging.getLogger("pulpo.audit")

#: The past tense that the next page says each act with.
DONE = {"kick": "kicked", "delete": "deleted", "bury": "buried"}


class BulkRoutes:
    """The acts of one dashboard on many jobs."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def routes(self) -> list[Route]:
        """Return what answers to POST."""
        return [
            *(Route(f"/jobs/{verb}", self._act(verb), methods=["POST"]) for verb in DONE),
            Route("/jobs/count", self.count, methods=["POST"]),
            Route("/jobs/stop", self.stop, methods=["POST"]),
            Route("/queues/{name:path}/kick", self.kick_queue, methods=["POST"]),
        ]

    def _act(self, verb: str) -> Callable[[Request], object]:
        async def act(request: Request) -> Response:
            form, seat = request.state.form, self._seat
            shown = ListFilter.of(form.items())
            bulk = self._bulk(verb, shown, _number(form.get("count", ""), "count"))
            work = _on_all(bulk, seat) if "errand" not in form else self._on_kept(bulk, form)
            return await self._begun(request, _errand(verb, shown), work)

        return act

    async def count(self, request: Request) -> Response:
        """Count all jobs that match, where the page has looked at some of them only."""
        shown = ListFilter.of(request.state.form.items())
        bulk, errands = self._bulk("count", shown, 0), self._seat.errands
        errand = _errand("count", shown)
        return await self._begun(request, errand, lambda admin: count_all(admin, bulk, errands))

    async def stop(self, request: Request) -> Response:
        """Stop what runs; what is done is done."""
        shown = self._seat.errands.shown
        self._seat.errands.stop()
        _audit.info("stop %s", "nothing" if shown is None else f"{shown.verb} of all jobs")
        return led_back(request, "/jobs", "stopped", 0)

    async def kick_queue(self, request: Request) -> Response:
        """Make all buried jobs of a queue ready."""
        name, errands = check_queue(request.path_params["name"]), self._seat.errands
        shown = ListFilter.of([("queue", name), ("state", "buried")])
        errand = _errand("kick", shown)
        stays = f"/queues/{quoted(name)}"
        return await self._begun(
            request, errand, lambda admin: kick_queue(admin, name, errands), stays
        )

    def _on_kept(self, bulk: Bulk, form: dict[str, str]) -> Callable[[QueueAdmin], None]:
        errands = self._seat.errands
        jobs = errands.kept(_number(form["errand"], "errand"), bulk.verb)
        if jobs is None or len(jobs) != bulk.most:
            raise ChangedError("the jobs were counted anew, or too long ago; look again")
        return lambda admin: act_on_kept(admin, bulk, jobs, errands)

    def _bulk(self, verb: str, shown: ListFilter, most: int) -> Bulk:
        seat, now = self._seat, self._seat.clock.wall()

        def make() -> Order:
            most_bytes = seat.doors.max_body
            return order(verb, shown.wanted, seat.keys, now=now, max_body=most_bytes)

        return Bulk(verb=verb, wanted=shown.wanted, keys=seat.keys, now=now, most=most, order=make)

    async def _begun(
        self,
        request: Request,
        errand: Errand,
        work: Callable[[QueueAdmin], None],
        stays: str = "/jobs",
    ) -> Response:
        """Begin it, wait a little, and lead back with what is known by then."""
        done = self._seat.errands.begin(errand, lambda admin: self._watched(work, admin))
        ended = await waited_for(done)
        query = errand.query if stays == "/jobs" else ""
        if ended is None:
            return led_back(request, stays, "goes-on", 0, query)
        if ended.stage is Stage.COUNTED:
            if ended.reason:
                raise ChangedError(ended.reason)
            return led_back(request, stays, "counted", ended.found, query)
        if ended.stage is Stage.DONE and not ended.left:
            self._seat.errands.forget(ended.number)  # the next page says all of it
        return led_back(request, stays, DONE.get(ended.verb, "stopped"), ended.done, query)

    def _watched(self, work: Callable[[QueueAdmin], None], admin: QueueAdmin) -> None:
        """Do it, and write into the log what was done, whether it came to its end or not."""
        errands = self._seat.errands
        try:
            work(admin)
        finally:
            ended = errands.shown
            if ended is not None and ended.verb in ACTS:
                _audit.info(
                    "%s all jobs with %r: %d", ended.verb, ended.query or "no filter", ended.done
                )
            self._seat.counts.forget()


def _on_all(bulk: Bulk, seat: Seat) -> Callable[[QueueAdmin], None]:
    return lambda admin: act_on_all(admin, bulk, seat.errands)


def _errand(verb: str, shown: ListFilter) -> Errand:
    return Errand(number=0, verb=verb, fields=shown.fields, query=shown.query())


def _number(text: str, name: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 9 and int(text) > 0:
        return int(text)
    wanted = "confirm how many jobs are meant" if name == "count" else f"{name} is a number"
    raise UsageError(f"{wanted}: {text[:50]!r}")


def led_back(
    request: Request, stays: str, said: str, count: int, query: str = ""
) -> RedirectResponse:
    """Lead back to where the form stood: to the list by its filter, the start, or `stays`."""
    form, root = request.state.form, request.scope.get("root_path", "")
    path, back = stays, form.get("back")
    if back == "/":
        path, query = "/", ""
    elif back is not None:  # a filter, read anew: no address of a stranger's gets through
        path, query = "/jobs", ListFilter.of(parse_qsl(back)).query()
    told = urlencode({"said": said, "n": count})
    return RedirectResponse(f"{root}{path}?{f'{query}&' if query else ''}{told}", 303)
