"""A report an hour, published by the workers themselves; and one of any hour that is asked for.

After a night without a worker the reports catch up by themselves, hour by hour: `missed="all"`.
"""

from __future__ import annotations

from datetime import datetime

import pulpo
from examples.metrics import raw
from examples.metrics.summary import as_csv, as_html, summarise


@pulpo.job(
    type="metrics.report", queue="metrics", retries=10, backoff="30s", every="1h", missed="all"
)
def report(hour: datetime | None = None) -> pulpo.Cancel | None:
    """Write the report of the hour that starts at `hour`; by the schedule, of the last one.

    Which one that is, the tick says and not the clock: a job may run long after its time. A second
    run of the same hour writes the same files again.
    """
    if hour is None:
        tick = pulpo.current_job().tick
        assert tick is not None, "only its schedule publishes it without an hour"
        hour = tick - raw.HOUR
    if not raw.path(hour).exists():
        return pulpo.Cancel(f"nothing was measured from {hour:%H}:00 on")
    summary = summarise(hour, raw.read(hour))
    target = raw.OUT / "reports" / f"{hour:%Y-%m-%dT%H}.html"
    target.parent.mkdir(exist_ok=True)
    target.with_suffix(".csv").write_text(as_csv(summary))
    target.write_text(as_html(summary))
    return None
