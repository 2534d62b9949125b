"""From raw lines to numbers, and from numbers to a page. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from math import ceil


@dataclass(frozen=True, slots=True)
class Row:
    """One endpoint in one hour; times in milliseconds."""

    endpoint: str
    requests: int
    failed: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Summary:
    """An hour: a row an endpoint, the p95 of each of its 60 minutes, and the broken lines."""

    hour: datetime
    rows: Sequence[Row]
    minutes: Sequence[float]
    broken: int


def summarise(hour: datetime, lines: Iterable[tuple[datetime, str, float, bool] | None]) -> Summary:
    """Aggregate one hour of requests."""
    times: dict[str, list[float]] = defaultdict(list)
    failed: dict[str, int] = defaultdict(int)
    minutes: list[list[float]] = [[] for _ in range(60)]
    broken = 0
    for line in lines:
        if line is None:
            broken += 1
            continue
        moment, endpoint, ms, is_failed = line
        times[endpoint].append(ms)
        failed[endpoint] += is_failed
        minutes[moment.minute].append(ms)
    rows = [
        Row(name, len(values), failed[name], *(percentile(values, p) for p in (50, 95, 99)))
        for name, values in sorted(times.items())
    ]
    return Summary(hour, rows, [percentile(minute, 95) for minute in minutes], broken)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile; 0.0 of nothing."""
    ordered = sorted(values)
    return ordered[max(ceil(len(ordered) * percent / 100) - 1, 0)] if ordered else 0.0


def as_csv(summary: Summary) -> str:
    """Return the rows as CSV."""
    head = "hour,endpoint,requests,failed,p50_ms,p95_ms,p99_ms\n"
    return head + "".join(
        f"{summary.hour.isoformat()},{r.endpoint},{r.requests},{r.failed},{r.p50},{r.p95},{r.p99}\n"
        for r in summary.rows
    )


def as_html(summary: Summary) -> str:
    """Return a page with the table and a chart of the p95 a minute."""
    cells = "".join(
        f"<tr><td>{escape(r.endpoint)}<td>{r.requests}<td>{r.failed / r.requests:.1%}"
        f"<td>{r.p50:.1f}<td>{r.p95:.1f}<td>{r.p99:.1f}"
        for r in summary.rows
    )
    top = max(summary.minutes) or 1.0
    points = " ".join(f"{i * 10},{100 - 95 * ms / top:.1f}" for i, ms in enumerate(summary.minutes))
    return (
        f"<!doctype html><meta charset=utf-8><title>{summary.hour:%Y-%m-%d %H}:00</title>"
        "<style>body{font:16px system-ui;margin:2rem}td,th{padding:.2rem 1rem;text-align:right}"
        "svg{width:100%;height:10rem}polyline{fill:none;stroke:#e4572e;stroke-width:2}</style>"
        f"<h1>Requests, {summary.hour:%A %d %B %Y, %H}:00 UTC</h1>"
        "<table><tr><th>endpoint<th>requests<th>failed<th>p50 ms<th>p95 ms<th>p99 ms"
        f"{cells}</table>"
        f"<h2>p95 a minute, highest {top:.0f} ms</h2>"
        f'<svg viewBox="0 0 600 100" preserveAspectRatio="none"><polyline points="{points}"/></svg>'
        f"<p>{summary.broken} broken lines left out.</p>"
    )
