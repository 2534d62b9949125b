"""Raw metric data: one JSON line a request, one file an hour, the same lines on every run."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "metrics")
HOUR = timedelta(hours=1)
ENDPOINTS = {"/": 12.0, "/search": 45.0, "/cart": 20.0, "/checkout": 90.0}  # usual milliseconds


def this_hour() -> datetime:
    """Return the start of the hour that is running."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def path(hour: datetime) -> Path:
    """Return where the lines of an hour are."""
    return OUT / "raw" / f"{hour:%Y-%m-%dT%H}.jsonl"


def write(hour: datetime, requests: int = 3_000) -> None:
    """Write an hour of lines, some of them cut off, as logs are after a crash."""
    dice = random.Random(hour.hour)
    rows = []
    for _ in range(requests):
        endpoint = dice.choice(list(ENDPOINTS))
        row = {
            "t": (hour + HOUR * dice.random()).isoformat(timespec="milliseconds"),
            "endpoint": endpoint,
            "ms": round(dice.lognormvariate(0, 0.6) * ENDPOINTS[endpoint], 2),
            "status": 500 if dice.random() < 0.01 else 200,
        }
        rows.append(json.dumps(row))
    rows[17] = rows[17][:40]
    path(hour).parent.mkdir(parents=True, exist_ok=True)
    path(hour).write_text("\n".join(rows) + "\n")


def read(hour: datetime) -> Iterator[tuple[datetime, str, float, bool] | None]:
    """Yield (time, endpoint, milliseconds, failed) a line; None for a line that is broken."""
    with path(hour).open() as lines:
        for line in lines:
            try:
                row = json.loads(line)
                moment = datetime.fromisoformat(row["t"])
                yield moment, row["endpoint"], float(row["ms"]), row["status"] >= 500
            except (ValueError, KeyError, TypeError):
                yield None
