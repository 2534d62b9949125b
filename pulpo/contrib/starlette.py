"""FastAPI and Starlette: pulpo opens and ends with the application.

app = FastAPI(lifespan=lifespan())                      # or Starlette(lifespan=...)

app = FastAPI(lifespan=lifespan(worker=True))           # with a worker in its process
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias, TypeVar, Unpack

import pulpo
from pulpo.embedded import EmbeddedWorker, WorkerLimits

__all__ = ["Lifespan", "lifespan"]

Web = TypeVar("Web")
#: What FastAPI and Starlette take: from an application to what runs around its serving.
Lifespan: TypeAlias = Callable[[Web], AbstractAsyncContextManager[Any]]


def lifespan(
    inner: Lifespan[Any] | None = None,
    *,
    worker: bool = False,
    app: pulpo.Pulpo | None = None,
    **limits: Unpack[WorkerLimits],
) -> Lifespan[Any]:
    """Return a lifespan in which the queue is ready; also as a decorator of one of your own.

    At the start the queue's URL is checked, at the end connections are closed. With `worker` jobs
    are run in threads of this process, which has no supervisor; at the end the running ones have
    the `grace` of its `limits` to finish. Nothing of it blocks the event loop. `app` is the one
    behind `pulpo.job`, if it is not said. Raises what opening the queue raises, and so does the
    start of the application.
    """
    if limits and not worker:
        raise pulpo.UsageError(f"limits are those of a worker: worker=True, or no {list(limits)!r}")

    @asynccontextmanager
    async def around(web: object) -> AsyncIterator[Mapping[str, Any] | None]:
        used = app or pulpo.default_app()
        async with _working(used, limits if worker else None):
            if inner is None:
                yield None
            else:
                async with inner(web) as state:
                    yield state

    return around


@asynccontextmanager
async def _working(app: pulpo.Pulpo, limits: WorkerLimits | None) -> AsyncIterator[None]:
    running: EmbeddedWorker | None = None
    _ = app.engine
    if limits is not None:
        # It waits for its thread to begin, and at the end for the jobs that run.
        running = await asyncio.to_thread(lambda: app.start_worker(**limits))
    try:
        yield
    finally:
        try:
            if running is not None:
                await asyncio.to_thread(running.stop)
        finally:
            await asyncio.to_thread(app.close)
