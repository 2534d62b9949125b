"""Make three hours of raw data, and ask for their reports: `python -m examples.metrics.start`."""

from __future__ import annotations

from examples.metrics import raw
from examples.metrics.tasks import report

HOURS = 3


def main() -> None:
    now = raw.this_hour()
    hours = [now - raw.HOUR * n for n in range(HOURS, 0, -1)]
    for hour in hours:
        raw.write(hour)
        # An id of its own: asked for twice, a report is made once.
        report.using(id=f"metrics.report-{hour:%Y-%m-%dT%H}").delay(hour)
    print(
        f"{HOURS} hours of raw data, {HOURS} reports asked for; from now on there is one each hour"
    )


if __name__ == "__main__":
    main()
