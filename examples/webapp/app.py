"""A web app that offloads: it answers at once and lets a worker draw the chart.

`uvicorn examples.webapp.app:app`
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

import pulpo
from examples.webapp.tasks import OUT, chart


async def create(request: Request) -> Response:
    """POST /charts {"title": …, "values": […]}: accepted, look again at `url`."""
    form = await request.json()
    try:
        ref = await chart.adelay(form["title"], form["values"])
    except KeyError as error:
        raise HTTPException(422, f"missing: {error}") from None
    except pulpo.EncodeError as error:
        raise HTTPException(422, str(error)) from None
    except pulpo.JobTooBigError:
        raise HTTPException(413, "too many values for one chart") from None
    except pulpo.QueueError:
        raise HTTPException(503, "try again soon", {"Retry-After": "5"}) from None
    url = str(request.url_for("show", id=ref.id))
    return JSONResponse({"id": ref.id, "url": url}, 202, {"Location": url})


def show(request: Request) -> Response:
    """GET /charts/ID: the chart, or 202 while it is not drawn yet."""
    path = OUT / f"{request.path_params['id']}.svg"
    if path.exists():
        return FileResponse(path, media_type="image/svg+xml")
    return JSONResponse({"state": "waiting"}, 202, {"Retry-After": "1"})


app = Starlette(
    routes=[
        Route("/charts", create, methods=["POST"]),
        Route("/charts/{id:uuid}", show, name="show"),
    ]
)
