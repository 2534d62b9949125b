"""Numbers of jobs on several servers: each server counts its own, and together they must differ.

Pure. A number says which server it is of, by that server's place in this process.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from pulpo.job import Job, ListedJob, Settlement, Sighting

__all__ = [
    "MOST_SERVERS",
    "by_place",
    "inner",
    "inward",
    "listed_outward",
    "outer",
    "outward",
    "place_of",
    "sighting_inward",
]

MOST_SERVERS = 64

Item = TypeVar("Item")


def outer(number: int, place: int) -> int:
    """Return the number by which everybody here knows a server's job."""
    return number * MOST_SERVERS + place


def inner(number: int) -> int:
    """Return the number by which its own server knows the job."""
    return number // MOST_SERVERS


def place_of(number: int) -> int:
    """Return the place of the server that has the job."""
    return number % MOST_SERVERS


def by_place(numbered: Iterable[tuple[int, Item]]) -> dict[int, list[tuple[int, Item]]]:
    """Group items by the servers of their jobs, each with its index among all."""
    found: dict[int, list[tuple[int, Item]]] = {}
    for index, (number, item) in enumerate(numbered):
        found.setdefault(place_of(number), []).append((index, item))
    return found


def outward(job: Job, place: int) -> Job:
    """Return a reserved job as it is known here; its token is the job as its server knows it."""
    return Job(
        number=outer(job.number, place),
        body=job.body,
        id=job.id,
        queue=job.queue,
        priority=job.priority,
        ttr=job.ttr,
        crashes=job.crashes,
        token=job,
    )


def inward(settlement: Settlement) -> Settlement:
    """Return a settlement as the server's door knows the job."""
    job = settlement.job.token
    assert isinstance(job, Job)
    return Settlement(settlement.verb, job, settlement.rewritten, settlement.then)


def listed_outward(job: ListedJob, place: int) -> ListedJob:
    """Return a listed job as it is known here, and one without an id of its own by that number."""
    number = outer(job.number, place)
    named = str(number) if job.id == str(job.number) else job.id
    return replace(job, number=number, id=named)


def sighting_inward(job: Sighting) -> Sighting:
    """Return where a job was seen as its server knows it."""
    number = inner(job.number)
    return Sighting(str(number) if job.id == str(job.number) else job.id, number, job.queue)
