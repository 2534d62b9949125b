"""The short way of a publish: what the jobs of one function have in common, made into bytes once.

Of two plain calls of one job function only the id and the arguments differ. So the first call goes
the long way, by `pulpo.publishing.new_job`; at the second a model is made there, and its bytes are
cut where the id and the body are. From then on a job is put together from the pieces. They are
cut from what `new_job` has made, so the bytes are the same, and a test compares the two for
whatever hypothesis thinks of. Whatever may turn out otherwise goes the long way, and gets its
errors from there. This file decides nothing about a job.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pulpo.codec import Codec
from pulpo.errors import PulpoError
from pulpo.identity import new_id, new_ids
from pulpo.job import NewJob
from pulpo.message import Likeness, Message
from pulpo.publishing import new_job
from pulpo.registry import JobType

__all__ = ["cast", "cast_all"]

Find = Callable[[str], JobType | None]


class Mold:
    """The job of one message, with a gap where its id is and one where its body is."""

    __slots__ = ("after", "before", "codec", "job_type", "model")

    def __init__(self, model: NewJob, gap: bytes, *, codec: Codec, job_type: JobType) -> None:
        self.before, _, rest = model.body.partition(gap)
        self.after = rest[:-1]  # without the body, which is None
        self.model = model
        self.codec = codec
        self.job_type = job_type

    def pour(self, id: str, body: object) -> NewJob | None:
        """Return a job of this form, None where its body needs a closer look."""
        head = self.before + id.encode("ascii") + self.after
        packed = self.codec.complete(head, body)
        return None if packed is None else self.model.twin(id=id, body=packed)


def cast(like: Message, id: str | None, body: object, *, codec: Codec, find: Find) -> NewJob | None:
    """Return the job that a message like this one asks for; None for the long way.

    `id` is None where it has none yet. Not for what a running job publishes, which counts. `find`
    knows the types that are registered here: others may be declared later.
    """
    likeness = getattr(like, "likeness", None)
    if likeness is None or like.own_id:
        return None
    mold = likeness.mold
    if type(mold) is not Mold:
        if id is not None:  # else it will come by as a message
            _note(likeness, like, codec, find)
        return None
    if mold.codec is not codec or mold.job_type is not find(like.type):
        return None  # it was published by another app, too
    name = id or new_id()
    if len(name) != 36 or not name.isascii() or like.headers:
        return None
    return mold.pour(name, body)


def cast_all(
    like: Message, bodies: Sequence[object], *, codec: Codec, find: Find
) -> list[NewJob] | None:
    """Return the jobs of messages like this one, with these bodies; None for the long way.

    As `cast`, for all of them at once. The long way is that of all.
    """
    likeness = getattr(like, "likeness", None)
    mold = None if likeness is None or like.own_id or like.headers else likeness.mold
    if type(mold) is not Mold or mold.codec is not codec or mold.job_type is not find(like.type):
        return None
    jobs: list[NewJob] = []
    for name, body in zip(new_ids(len(bodies)), bodies, strict=True):
        job = mold.pour(name, body)
        if job is None:
            return None
        jobs.append(job)
    return jobs


def _plain(job: NewJob) -> NewJob:
    """Return a job with what can be the same for all calls, and with nothing else."""
    return NewJob(
        id=job.id,
        type=job.type,
        queue=job.queue,
        body=job.body,
        priority=job.priority,
        delay=job.delay,
        ttr=job.ttr,
    )


def _note(likeness: Likeness, message: Message, codec: Codec, find: Find) -> None:
    # Not at the first call: a copy that `using` makes is often used once.
    if likeness.was_met and likeness.mold is None:
        likeness.mold = _mold(message, codec, find) or False
    likeness.was_met = True


def _mold(message: Message, codec: Codec, find: Find) -> Mold | None:
    """Return the mold of a message, None where more than id and body differ from call to call."""
    job_type = find(message.type)
    if (
        job_type is None
        or codec.signs
        or message.at is not None
        or message.expires is not None
        or message.headers  # which the caller may change at any time, as this list
        or message.backoff is not None
    ):
        return None
    empty = message.with_body(None)
    try:
        model = new_job(empty, codec, find, 0.0)
    except PulpoError:  # something of it depends on the body
        return None
    if model != _plain(model):
        return None
    mold = Mold(model, empty.id.encode("ascii"), codec=codec, job_type=job_type)
    # The proof, with a body of its own: whatever else goes by the body would differ here.
    same = mold.pour(message.id, message.body) == new_job(message, codec, find, 0.0)
    return mold if same else None
