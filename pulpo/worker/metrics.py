"""The numbers of a worker in Prometheus' text format; `docs/reference/metrics.md` has their names.

The only file that needs prometheus-client (extra `metrics`). Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector

from pulpo.worker.metering import BUCKETS

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from pulpo.worker.board import Board

__all__ = ["exposition"]

_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(board: Board) -> tuple[str, bytes]:
    """Return the content type and the text of all metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(list(_families(board))))
    return _TYPE, generate_latest(registry)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(board: Board) -> Iterator[Metric]:
    yield _jobs(board)
    yield _durations(board)
    yield from _slots(board)
    depth = GaugeMetricFamily("pulpo_queue_jobs", "Jobs by state.", labels=["queue", "state"])
    for queue, states in sorted(board.depths.items()):
        for state, count in states.items():
            depth.add_metric([queue, state], count)
    yield depth
    yield GaugeMetricFamily(
        "pulpo_worker_ready", "1 while the worker reserves jobs.", float(board.is_ready)
    )
    yield GaugeMetricFamily(
        "pulpo_worker_processes", "Worker processes that live.", len(board.processes)
    )
    yield CounterMetricFamily(
        "pulpo_worker_processes_died", "Worker processes that ended uncleanly.", board.died
    )
    yield CounterMetricFamily(
        "pulpo_events_dropped", "Events that slow listeners have missed.", board.events_dropped
    )
    info = InfoMetricFamily("pulpo_worker", "What the worker is.")
    info.add_metric(
        [], {"version": version("pulpo-messaging"), "engine": board.engine.partition("://")[0]}
    )
    yield info


def _jobs(board: Board) -> Metric:
    family = CounterMetricFamily(
        "pulpo_jobs", "Runs of jobs by what became of the job.", labels=["queue", "type", "outcome"]
    )
    for labels, outcomes in sorted(board.totals.jobs.items()):
        for outcome, count in outcomes.items():
            family.add_metric([*labels, outcome], count)
    return family


def _durations(board: Board) -> Metric:
    family = HistogramMetricFamily(
        "pulpo_job_duration_seconds", "How long runs of jobs took.", labels=["queue", "type"]
    )
    bounds = [*map(str, BUCKETS), "+Inf"]
    for labels, (*counts, seconds) in sorted(board.totals.runs.items()):
        buckets = list(zip(bounds, accumulate(counts), strict=True))
        family.add_metric([*labels], buckets, seconds)
    return family


def _slots(board: Board) -> Iterator[Metric]:
    limits = (board.settings.threads, board.settings.async_slots)
    processes = board.processes.values()
    slots = GaugeMetricFamily("pulpo_worker_slots", "Slots for runs.", labels=["kind"])
    busy = GaugeMetricFamily("pulpo_worker_busy_slots", "Slots in use.", labels=["kind"])
    for number, kind in enumerate(("thread", "async")):
        slots.add_metric([kind], limits[number] * len(processes))
        busy.add_metric([kind], sum(process.busy[number] for process in processes))
    yield slots
    yield busy
