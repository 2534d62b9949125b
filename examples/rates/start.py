"""Ask for three days, one of which nobody knows: `python -m examples.rates.start`."""

from __future__ import annotations

from examples.rates.tasks import fetch


def main() -> None:
    for day in ("2026-01-02", "2026-01-05", "1582-10-10"):
        print(f"{day}: job {fetch.delay(day).id}")


if __name__ == "__main__":
    main()
