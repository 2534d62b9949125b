"""A report an hour, made by a job that schedules its successor.

A successor that is due in the past runs at once: after a night without a worker the reports catch
up by themselves, hour by hour.
"""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

import pulpo
from examples.metrics import raw
from examples.metrics.summary import as_csv, as_html, summarise


@pulpo.job(type="metrics.report", queue="metrics", retries=10, backoff="30s")
def report(hour: datetime) -> pulpo.Cancel | None:
    """Write the report of the hour that starts at `hour`, then see to the next one."""
    job = pulpo.current_job()
    if not claim(hour, job.id):
        return pulpo.Cancel(f"the report of {hour:%H}:00 is another job's")
    summary = summarise(hour, raw.read(hour))
    target = raw.OUT / "reports" / f"{hour:%Y-%m-%dT%H}.html"
    target.parent.mkdir(exist_ok=True)
    target.with_suffix(".csv").write_text(as_csv(summary))
    target.write_text(as_html(summary))
    following = hour + raw.HOUR
    report.schedule_at(following + raw.HOUR, following)
    return None


def claim(hour: datetime, job_id: str) -> bool:
    """Give an hour to the first job that asks; that job may come back to it.

    A job that runs twice, because its worker died at the wrong moment, schedules two successors.
    Without a claim there would be two chains from then on.
    """
    link = raw.OUT / "claims" / f"{hour:%Y-%m-%dT%H}"
    link.parent.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        link.symlink_to(job_id)  # made with what it says, in one step: a file would not be
    return link.readlink() == Path(job_id)
