"""What is going on in a queue right now, on one screen: a value, and the lines that show it.

Pure: what the queue and its workers tell comes in, and so does the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from heapq import nlargest

from pulpo.cli.limits import limit_as_json, limit_table
from pulpo.cli.output import for_people
from pulpo.duration import as_text
from pulpo.job import QueueStats
from pulpo.telling import MinuteCount, RunningJob, SeenWorker, merged, quantile
from pulpo.telling.limits import SeenLimit

__all__ = ["LOOKED_BACK", "Glance", "as_json", "lines", "rate_between"]

#: How far back counts are taken into account, in seconds: ten minutes.
LOOKED_BACK = 600.0
_MOST = 5
# Outcomes of runs, and those among them that an operator does not want to see.
_RUNS = ("success", "retried", "snoozed", "cancelled", "buried", "expired", "lost")
_FAILURES = ("retried", "buried", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The counts of each queue, the workers and the counts of the last ten minutes, at a second.

    `workers` and `minutes` are None where nobody tells. `now` is seconds since the epoch.
    """

    shown_url: str
    now: float
    queues: Sequence[QueueStats]
    workers: Sequence[SeenWorker] | None
    minutes: Sequence[MinuteCount] | None
    limits: Sequence[SeenLimit] = ()


def rate_between(last: Glance, glance: Glance) -> float | None:
    """Return how many jobs a second have ended from one glance to the next; None if not known."""
    if last.minutes is None or glance.minutes is None:
        return None
    # What leaves the ten minutes meanwhile is counted in neither.
    oldest = min((count.minute for count in glance.minutes), default=0)
    ended = _ended(glance.minutes) - _ended(c for c in last.minutes if c.minute >= oldest)
    return max(ended, 0) / max(glance.now - last.now, 0.001)


def lines(glance: Glance, *, rate: float | None = None) -> Iterator[str]:
    """Yield the screen; `rate` is how many jobs a second have ended since the last one."""
    yield f"{glance.shown_url}  {_summary(glance, rate)}"
    yield ""
    heads = ("queue", "ready", "delayed", "reserved", "buried", "done/min", "wait p95", "")
    yield for_people(heads, [_queue_row(glance, found) for found in glance.queues], right=" rrrrrr")
    if glance.workers is None or glance.minutes is None:
        yield "\nThis queue keeps no side data, so nothing is known of its workers."
        return
    if jobs := nlargest(_MOST, _running(glance), key=lambda job: job.seconds):
        yield "\nlongest running"
        yield for_people(
            ("type", "id", "for", "attempt", ""), [_running_row(job) for job in jobs], right="  rr"
        )
    if full := nlargest(_MOST, glance.limits, key=lambda limit: (limit.waiting, limit.used_for)):
        yield "\nlimits"
        yield limit_table(full)
    types = merged(glance.minutes, by=("type", "outcome"))
    if slow := _slowest(types):
        yield "\nslowest types, 10 min"
        yield for_people(("type", "runs", "p50", "p95"), slow, right=" rrr")
    if failing := _most_failing(types):
        yield "\nmost failing types, 10 min"
        yield for_people(("type", "runs", "failed", ""), failing, right=" rrr")


def as_json(glance: Glance) -> dict[str, object]:
    """Return the same as values that JSON has."""
    return {
        "queues": {
            found.queue: {
                **{name: value for name, value in asdict(found).items() if name != "queue"},
                "done_per_minute": _per_minute(glance, found.queue),
            }
            for found in glance.queues
        },
        "workers": None if glance.workers is None else [asdict(each) for each in glance.workers],
        "types": _types_as_json(glance.minutes),
        "limits": [limit_as_json(limit) for limit in glance.limits],
    }


def _types_as_json(minutes: Sequence[MinuteCount] | None) -> dict[str, object] | None:
    if minutes is None:
        return None
    found: dict[str, dict[str, object]] = {}
    for count in merged(minutes, by=("type", "outcome")):
        found.setdefault(count.type, {})[count.outcome] = count.jobs
    for count in merged(minutes, by=("type",)):
        found[count.type]["runtime_p95"] = quantile(count.runtimes, 0.95)
    return dict(found)


def _summary(glance: Glance, rate: float | None) -> str:
    if glance.workers is None:
        return "nobody tells who works"
    if not glance.workers:
        return "no worker"
    busy = sum(worker.busy for worker in glance.workers)
    slots = sum(worker.threads + worker.async_slots for worker in glance.workers)
    hosts = len({worker.host for worker in glance.workers})
    told = f"{_counted(len(glance.workers), 'process', 'processes')} on {_counted(hosts, 'host')}"
    told += f", {busy} of {slots} slots busy"
    if all(worker.has_no_thread_free for worker in glance.workers):
        told += ", no thread free"
    return told if rate is None else f"{told}, {rate:,.0f} jobs/s"


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _queue_row(glance: Glance, found: QueueStats) -> list[str]:
    counts = (found.ready, found.delayed, found.reserved, found.buried)
    waits = merged([c for c in glance.minutes or () if c.queue == found.queue], by=("queue",))
    late = quantile(waits[0].waits, 0.95) if waits else None
    done = _per_minute(glance, found.queue)
    shown = "-" if done is None else f"{done:g}"
    return [found.queue, *map(str, counts), shown, _time(late), _remark(glance, found)]


def _remark(glance: Glance, found: QueueStats) -> str:
    if found.paused:
        return "paused" if found.pause_left is None else f"paused for {as_text(found.pause_left)}"
    waits = found.ready or found.delayed
    if waits and glance.workers is not None:
        served = any(worker.serves(found.queue) for worker in glance.workers)
        return "" if served else "no worker"
    return ""


def _running(glance: Glance) -> Iterator[RunningJob]:
    for worker in glance.workers or ():
        yield from worker.running


def _running_row(job: RunningJob) -> list[str]:
    remark = "over its time" if job.is_stuck else "alone: it has killed a worker" * job.alone
    return [job.type, job.id, as_text(job.seconds), str(job.attempt), remark]


def _slowest(types: Sequence[MinuteCount]) -> list[list[str]]:
    ran = [count for count in merged(types, by=("type",)) if sum(count.runtimes)]
    slow = nlargest(_MOST, ran, key=lambda count: quantile(count.runtimes, 0.95) or 0.0)
    return [
        [
            count.type,
            f"{sum(count.runtimes):,}",
            _time(quantile(count.runtimes, 0.5)),
            _time(quantile(count.runtimes, 0.95)),
        ]
        for count in slow
    ]


def _most_failing(types: Sequence[MinuteCount]) -> list[list[str]]:
    runs: dict[str, int] = {}
    failed: dict[str, int] = {}
    for count in types:
        if count.outcome in _RUNS:
            runs[count.type] = runs.get(count.type, 0) + count.jobs
        if count.outcome in _FAILURES:
            failed[count.type] = failed.get(count.type, 0) + count.jobs
    worst = nlargest(_MOST, failed, key=lambda type: failed[type] / runs[type])
    return [
        [type, f"{runs[type]:,}", f"{failed[type]:,}", f"{failed[type] / runs[type]:.0%}"]
        for type in worst
    ]


def _per_minute(glance: Glance, queue: str) -> float | None:
    if glance.minutes is None:
        return None
    ended = _ended(count for count in glance.minutes if count.queue == queue)
    return round(ended / (LOOKED_BACK / 60), 1)


def _ended(counts: Iterable[MinuteCount]) -> int:
    return sum(count.jobs for count in counts if count.outcome in _RUNS)


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else as_text(seconds)
