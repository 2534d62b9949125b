"""Putting jobs on those servers that take them: what one refuses for now goes to the next.

A job is sent to another server only where it is certain that the first one does not have it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pulpo.adapters.shards.server import Server
from pulpo.errors import (
    QueueDrainingError,
    QueueError,
    QueueFullError,
    QueueUnavailableError,
)
from pulpo.job import Existing, JobId, NewJob

__all__ = ["spread"]

_ELSEWHERE = (QueueDrainingError, QueueFullError, QueueUnavailableError)


def spread(
    jobs: Sequence[NewJob], servers: Sequence[Server], turn: int
) -> list[JobId | Existing | QueueError]:
    """Put jobs, an even share on each server; `turn` says which one gets the first.

    Raises `QueueUnavailableError` where no server could be reached.
    """
    answers: dict[int, JobId | Existing | QueueError] = {}
    left, fit, reached = list(range(len(jobs))), list(servers), False
    while left and fit:
        refused: list[int] = []
        for server, share in _shared(left, fit, turn):
            try:
                told = server.door.put([jobs[index] for index in share])
            except QueueUnavailableError as error:
                server.failed(error)
                told = [error] * len(share)
            else:
                server.answered()
                reached = True
            answers.update(zip(share, told, strict=True))
            again = [
                i for i, answer in zip(share, told, strict=True) if isinstance(answer, _ELSEWHERE)
            ]
            if again:
                server.refused()
                fit.remove(server)
            refused += again
        left = refused
    if not reached:
        why = "; ".join(f"{server.name}: {server.why}" for server in servers)
        raise QueueUnavailableError(f"no server takes jobs: {why or 'there is none'}")
    return [answers[index] for index in range(len(jobs))]


def _shared(
    indexes: Sequence[int], servers: Sequence[Server], turn: int
) -> list[tuple[Server, Sequence[int]]]:
    """Return who gets which, in runs of neighbours."""
    count = min(len(servers), len(indexes))
    size, more = divmod(len(indexes), count)
    found, start = [], 0
    for number in range(count):
        end = start + size + (number < more)
        found.append((servers[(number + turn) % len(servers)], indexes[start:end]))
        start = end
    return found
