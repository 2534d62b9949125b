"""A newsletter that people subscribe to over HTTP.

`uvicorn examples.newsletter.app:app`
"""

from __future__ import annotations

from fastapi import Body, FastAPI, HTTPException
from sqlalchemy.exc import IntegrityError

import pulpo
from examples.newsletter.people import AsyncSession, Reader
from examples.newsletter.tasks import greet
from pulpo.contrib.starlette import lifespan

# With `worker=True` this process runs the jobs too; without, `pulpo worker` does.
app = FastAPI(lifespan=lifespan(worker=True, queues=["newsletter"], threads=2))


@app.post("/readers", status_code=201)
async def subscribe(email: str = Body(embed=True)) -> dict[str, object]:
    """Add a reader, who gets a mail once that is committed."""
    try:
        async with AsyncSession.begin() as session:
            reader = Reader(email=email)
            session.add(reader)
            await session.flush()  # gives it an id
            ref = pulpo.on_commit(session, greet, reader.id)
            answer = {"id": reader.id, "job": ref.id}
    except IntegrityError:
        raise HTTPException(409, f"{email} reads us already") from None
    except pulpo.QueueError:
        # The reader is there; the mail is not on its way. Where that may not be, use an outbox.
        raise HTTPException(503, "subscribed, but the mail will be late") from None
    return answer


@app.get("/readers/{reader_id}")
async def show(reader_id: int) -> dict[str, object]:
    """Show a reader."""
    async with AsyncSession() as session:
        reader = await session.get(Reader, reader_id)
    if reader is None:
        raise HTTPException(404)
    return {"email": reader.email, "greeted": reader.greeted}
