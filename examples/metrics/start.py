"""Start the chain of reports three hours back: `python -m examples.metrics.start`."""

from __future__ import annotations

from examples.metrics import raw
from examples.metrics.tasks import report

HOURS = 3


def main() -> None:
    now = raw.this_hour()
    hours = [now - raw.HOUR * n for n in range(HOURS, 0, -1)]
    for hour in hours:
        raw.write(hour)
    # An hour is complete, and its report due, when the next one starts.
    ref = report.schedule_at(hours[0] + raw.HOUR, hours[0])
    print(f"{HOURS} hours of raw data; the first report is job {ref.id}")


if __name__ == "__main__":
    main()
