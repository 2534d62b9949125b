"""A report an hour, made by a job that schedules its successor.

A successor that is due in the past runs at once: after a night without a worker the reports catch
up by themselves, hour by hour.
"""

from __future__ import annotations

from datetime import datetime

import pulpo
from examples.metrics import raw
from examples.metrics.summary import as_csv, as_html, summarise


@pulpo.job(type="metrics.report", queue="metrics", retries=10, backoff="30s")
def report(hour: datetime) -> pulpo.Cancel | None:
    """Write the report of the hour that starts at `hour`, then see to the next one."""
    target = raw.OUT / "reports" / f"{hour:%Y-%m-%dT%H}.html"
    # The page is written last. Should a crash between here and there make this job run twice, there
    # are two successors for the next hour: the second of them finds the page and ends here.
    if target.exists():
        return pulpo.Cancel(f"the report of {hour:%H}:00 is there already")
    summary = summarise(hour, raw.read(hour))
    following = hour + raw.HOUR
    report.schedule_at(following + raw.HOUR, following)
    target.parent.mkdir(exist_ok=True)
    target.with_suffix(".csv").write_text(as_csv(summary))
    target.write_text(as_html(summary))
    return None
