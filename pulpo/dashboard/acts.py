"""What an operator can do to one job, queue or worker: `POST /jobs/ID/kick`, answered with 303.

Each has a form of its own. What is done to many jobs at once is in `pulpo.dashboard.bulk_acts`.

The guard has checked who it is and that it was meant, before anything here is called. A dashboard
that only shows has none of these routes. Every act is logged, to `pulpo.audit`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pulpo.adapter import QueueAdmin
from pulpo.bulk import Order
from pulpo.dashboard.bulk_acts import DONE, led_back
from pulpo.dashboard.doing import carried_out, order
from pulpo.dashboard.editing import rewritten
from pulpo.dashboard.looking import find
from pulpo.dashboard.rendering import quoted
from pulpo.dashboard.seat import Seat
from pulpo.duration import seconds
from pulpo.errors import UsageError
from pulpo.identity import check_id, check_queue
from pulpo.job import JobState
from pulpo.job_filter import JobFilter

__all__ = ["ActRoutes"]

_audit = logging.getLogger("pulpo.audit")


class ActRoutes:
    """The acts of one dashboard."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def routes(self) -> list[Route]:
        """Return what answers to POST."""
        routes = []
        for verb in DONE:
            path = f"/jobs/{{id:path}}/{verb}"
            routes.append(Route(path, self._one(verb), methods=["POST"]))
        return [
            *routes,
            Route("/jobs/{id:path}/edit", self.edit, methods=["POST"]),
            Route("/queues/{name:path}/pause", self.pause, methods=["POST"]),
            Route("/queues/{name:path}/resume", self.resume, methods=["POST"]),
            Route("/workers/{id:path}/stacks", self.stacks, methods=["POST"]),
        ]

    def _one(self, verb: str) -> Callable[[Request], object]:
        done = DONE[verb]

        async def act(request: Request) -> Response:
            job_id = check_id(request.path_params["id"])

            def do(admin: QueueAdmin) -> int:
                found, _ = find(admin, job_id)
                jobs = [] if found is None else [found.sighting]
                return carried_out(admin, self._order(verb), jobs)

            answer = await self._seat.doors.ask(do)
            self._note("%s job %r: %s", verb, job_id, "done" if answer else "not done")
            said = done if answer else f"not-{done}"
            # A job that is gone has no page to come back to.
            stays = f"/jobs/{quoted(job_id)}" if verb != "delete" or not answer else "/jobs"
            return led_back(request, stays, said, 1)

        return act

    async def edit(self, request: Request) -> Response:
        """Give a waiting job other contents; a buried one is kicked if that is wished."""
        job_id, form = check_id(request.path_params["id"]), request.state.form

        def edit(admin: QueueAdmin) -> str:
            found, _ = find(admin, job_id)
            if found is None:
                return "not-edited"
            seat = self._seat
            new = rewritten(found, form, seat.keys, seat.hidden, now=seat.clock.wall())
            if not admin.edit(job_id, new):
                return "not-edited"
            if found.state is JobState.BURIED and form.get("requeue"):
                return "requeued" if admin.kick([job_id])[0] else "edited"
            return "edited"

        said = await self._seat.doors.ask(edit)
        self._note("edit job %r: %s", job_id, said)
        return led_back(request, f"/jobs/{quoted(job_id)}", said, 1)

    async def pause(self, request: Request) -> Response:
        """Let no worker take jobs from a queue, for a time or until it is resumed."""
        name = check_queue(request.path_params["name"])
        text = request.state.form.get("for", "").strip()
        period = seconds(text, "the time of a pause") if text else None
        if period == 0:
            raise UsageError("the time of a pause must be more than 0")
        await self._seat.doors.ask(lambda admin: admin.pause(name, period))
        self._note("pause queue %r for %s", name, text or "ever")
        return led_back(request, f"/queues/{quoted(name)}", "paused", 1)

    async def resume(self, request: Request) -> Response:
        """End a pause."""
        name = check_queue(request.path_params["name"])
        await self._seat.doors.ask(lambda admin: admin.resume(name))
        self._note("resume queue %r", name)
        return led_back(request, f"/queues/{quoted(name)}", "resumed", 1)

    async def stacks(self, request: Request) -> Response:
        """Ask a worker process where its slots are; it answers beside the queue, a little later."""
        worker, told = check_id(request.path_params["id"]), self._seat.reading.told
        done = await self._seat.doors.ask(lambda _: told.ask_stacks(worker))
        _audit.info("ask worker %r for its stacks: %s", worker, "done" if done else "not done")
        return led_back(request, "/workers", "asked" if done else "not-asked", 1)

    def _order(self, verb: str) -> Order:
        seat = self._seat
        now, most = seat.clock.wall(), seat.doors.max_body
        return order(verb, JobFilter(), seat.keys, now=now, max_body=most)

    def _note(self, text: str, *values: object) -> None:
        _audit.info(text, *values)
        self._seat.counts.forget()
