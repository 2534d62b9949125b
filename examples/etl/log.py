"""A web server's access log of some megabytes, made up and the same on every run."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

PATHS = ["/", "/search?q=ink", "/cart", "/product/7", "/product/42", "/static/app.js"]
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5", "Googlebot/2.1"]


def write(path: Path, lines: int) -> None:
    """Write a log in the combined format; one line in a thousand is garbage."""
    dice, moment = random.Random(8), datetime(2026, 1, 5, tzinfo=UTC)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as out:
        for number in range(lines):
            if number % 1_000 == 999:
                out.write("\x16\x03\x01 not a request at all\n")
                continue
            moment += timedelta(seconds=dice.expovariate(1.0))
            out.write(
                f"10.0.{dice.randrange(4)}.{dice.randrange(250)} - - "
                f"[{moment:%d/%b/%Y:%H:%M:%S} +0000] "
                f'"GET {dice.choice(PATHS)} HTTP/1.1" {dice.choice((200, 200, 200, 304, 404, 500))}'
                f' {dice.randrange(200, 60_000)} "-" "{dice.choice(AGENTS)}"\n'
            )
