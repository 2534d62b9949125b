"""beanstalkd's commands as bytes, and what its replies mean.

Integers and names are checked right here, where the bytes are built: a `put` line that the server
rejects turns the body behind it into commands, and a line end in a name smuggles in another one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from pulpo.errors import (
    JobTooBigError,
    NotAcceptedError,
    ProtocolError,
    PublishUncertainError,
    QueueDrainingError,
    QueueFullError,
)
from pulpo.identity import check_queue
from pulpo.job import NewJob

__all__ = [
    "LONGEST",
    "bury",
    "delete",
    "kick_job",
    "parse_stats",
    "peek",
    "put",
    "refusal",
    "release",
    "reserve",
    "stated",
    "stated_priority",
    "stats_job",
    "take",
    "touch",
    "use",
    "watch_only",
    "whole_delay",
]

LONGEST = 2**32 - 1
POLL = b"reserve-with-timeout 0\r\n"


def _number(value: int, name: str) -> int:
    # bool and float would pass through %d, cut or as 0 and 1.
    if type(value) is not int or not 0 <= value <= 2**64 - 1:
        raise ProtocolError(f"{name} is not a number for beanstalkd: {value!r}")
    return value


def _small(value: int, name: str) -> int:
    if type(value) is not int or not 0 <= value <= LONGEST:
        raise _not_small(value, name)
    return value


def _not_small(value: object, name: str) -> ProtocolError:
    return ProtocolError(f"{name} must be 0 to {LONGEST}: {value!r}")


def whole_delay(job: NewJob, now: float) -> int:
    """Return the delay of a job in whole seconds, rounded up, never early; `now` is wall time."""
    if job.at is None and job.delay == 0:
        return 0
    delay = job.delay if job.at is None else max(job.delay, job.at - now)
    return min(math.ceil(max(delay, 0)), LONGEST)


def put(job: NewJob, *, delay: int) -> bytes:
    """Return a put for the queue in use."""
    priority, body, ttr = job.priority, job.body, math.ceil(job.ttr)
    if not 1 <= ttr <= LONGEST:
        ttr = min(max(ttr, 1), LONGEST)
    if type(priority) is not int or not 0 <= priority <= LONGEST:
        raise _not_small(priority, "priority")
    if type(delay) is not int or not 0 <= delay <= LONGEST:
        raise _not_small(delay, "delay")
    return b"put %d %d %d %d\r\n%b\r\n" % (priority, delay, ttr, len(body), body)


def use(queue: str) -> bytes:
    """Return the command that makes later puts go to a queue."""
    return b"use %b\r\n" % check_queue(queue).encode("ascii")


def watch_only(queues: Sequence[str], watched: Sequence[str]) -> list[bytes]:
    """Return the commands that make a connection reserve from exactly these queues."""
    # First watch, then ignore: the server refuses to ignore the last one.
    commands = [
        b"watch %b\r\n" % check_queue(queue).encode("ascii")
        for queue in queues
        if queue not in watched
    ]
    commands += [
        b"ignore %b\r\n" % check_queue(queue).encode("ascii")
        for queue in watched
        if queue not in queues
    ]
    return commands


def reserve(seconds: int) -> bytes:
    """Return a reserve that waits so many whole seconds."""
    return b"reserve-with-timeout %d\r\n" % _small(seconds, "timeout")


def delete(number: int) -> bytes:
    """Return a delete."""
    return b"delete %d\r\n" % _number(number, "job")


def release(number: int, priority: int, delay: int) -> bytes:
    """Return a release; delay in whole seconds."""
    return b"release %d %d %d\r\n" % (
        _number(number, "job"),
        _small(priority, "priority"),
        _small(delay, "delay"),
    )


def bury(number: int, priority: int) -> bytes:
    """Return a bury."""
    return b"bury %d %d\r\n" % (_number(number, "job"), _small(priority, "priority"))


def kick_job(number: int) -> bytes:
    """Return a kick-job, for a job that is buried or delayed."""
    return b"kick-job %d\r\n" % _number(number, "job")


def touch(number: int) -> bytes:
    """Return a touch."""
    return b"touch %d\r\n" % _number(number, "job")


def take(number: int) -> bytes:
    """Return a reserve-job, for a job that is ready, delayed or buried."""
    return b"reserve-job %d\r\n" % _number(number, "job")


def peek(number: int) -> bytes:
    """Return a peek by number."""
    return b"peek %d\r\n" % _number(number, "job")


def stats_job(number: int) -> bytes:
    """Return a stats-job."""
    return b"stats-job %d\r\n" % _number(number, "job")


def refusal(
    line: bytes, job: NewJob, limit: int
) -> NotAcceptedError | PublishUncertainError | None:
    """Return what a reply to a put means where it is not INSERTED; None for an unknown reply."""
    if line == b"JOB_TOO_BIG":
        return JobTooBigError(
            f"job {job.id!r} is {len(job.body)} bytes, the server takes at most {limit}"
        )
    if line == b"OUT_OF_MEMORY":
        return QueueFullError("beanstalkd has no memory, or no room on its disk, for a job")
    if line == b"DRAINING":
        return QueueDrainingError("beanstalkd is draining and takes no new jobs")
    if line.startswith(b"BURIED ") and line[7:].isdigit() and len(line) < 27:
        # It has the job in its memory, and in 1.12 among the ready ones as well: it may run. To
        # delete it would leave a freed job among those, of which the server dies.
        return PublishUncertainError(
            f"beanstalkd could not write job {job.id!r} into its binlog: it may run, and is gone "
            "with the next restart; look at its disk, restart it, then publish the same message "
            "again",
            id=job.id,
        )
    if line == b"INTERNAL_ERROR":
        return QueueFullError("beanstalkd answered INTERNAL_ERROR to a put")
    return None


def stated(stats: Mapping[str, str], name: str) -> int | None:
    """Return a whole number out of a stats reply; None where it has none that a server may say."""
    text = stats.get(name, "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 20 else None


def stated_priority(stats: Mapping[str, str]) -> int | None:
    """Return the priority out of a job's stats reply, None where it has none."""
    found = stated(stats, "pri")
    return found if found is not None and found <= LONGEST else None


_PAIR = re.compile(r'^"?([a-z-]+)"?: "?(.*?)"?$', re.MULTILINE)


def parse_stats(data: bytes) -> dict[str, str]:
    """Return the pairs of a stats reply; values are quoted by 1.13 and bare before."""
    return dict(_PAIR.findall(data.decode("utf-8", "replace")))
