"""Fetch exchange rates from a service that may be down, and make a table of all pairs.

What passes is retried with backoff: no connection, a timeout, a 5xx. What will not change by
waiting is buried: a 4xx, an answer without rates. The table is a file named after its day.
"""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pulpo

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "rates")
SERVICE = os.environ.get("RATES_URL", "http://127.0.0.1:8900")


@pulpo.job(
    type="rates.fetch",
    queue="rates",
    retries=12,
    backoff=["0.5s", "1s", "2s", "5s", "30s", "5m"],
    transient=(OSError,),
    timeout="30s",
)
def fetch(day: str) -> None:
    """Write the table of one day, such as 2026-01-02."""
    try:
        with urlopen(f"{SERVICE}/{day}", timeout=5) as answer:
            found = json.load(answer)
    except HTTPError as error:
        error.close()
        if error.code >= 500:
            raise  # an OSError: transient
        raise pulpo.FatalError(f"{error.url} answered {error.code} {error.reason}") from None
    rates = {found["base"]: Decimal(1), **{k: Decimal(v) for k, v in found["rates"].items()}}
    lines = [
        f"{day},{one},{other},{rates[other] / rates[one]:.4f}"
        for one in sorted(rates)
        for other in sorted(rates)
        if one != other
    ]
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{day}.csv").write_text("\n".join(["day,from,to,rate", *lines, ""]))
