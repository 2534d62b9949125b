"""The shipping service: makes a label for a parcel and tells billing what it costs.

It knows the shop's and the billing service's messages, and none of their code. A parcel's number
is the key: made twice, a label is the same file, and billing writes a parcel down once.
"""

from __future__ import annotations

import os
from math import asin, ceil, cos, radians, sin, sqrt
from pathlib import Path

import pulpo

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "services")

CITIES = {
    "Berlin": (52.52, 13.40),
    "Lisbon": (38.72, -9.14),
    "Oslo": (59.91, 10.75),
    "Palermo": (38.12, 13.36),
}

# Code 39: nine bars and gaps a character, the wide ones marked with w
CODE39 = {
    "0": "nnnwwnwnn", "1": "wnnwnnnnw", "2": "nnwwnnnnw", "3": "wnwwnnnnn", "4": "nnnwwnnnw",
    "5": "wnnwwnnnn", "6": "nnwwwnnnn", "7": "nnnwnnwnw", "8": "wnnwnnwnn", "9": "nnwwnnwnn",
    "P": "nnwnwnnwn", "-": "nwnnnnwnw", "*": "nwnnwnwnn",
}  # fmt: skip


class MakeLabel:
    """Handles `shipping.label`: body {parcel, from, to, kilos}."""

    def handle(self, message: pulpo.Message) -> pulpo.Outcome | None:
        """Ship what is well-formed, put the rest aside."""
        match message.body:
            case {
                "parcel": str(parcel),
                "from": str(start),
                "to": str(end),
                "kilos": int(kilos) | float(kilos),
            } if start in CITIES and end in CITIES and set(parcel) <= CODE39.keys():
                ship(parcel, start, end, kilos)
                return None
        return pulpo.Bury(f"not an order for a label: {message.body!r}")


def ship(parcel: str, start: str, end: str, kilos: float) -> None:
    """Write the label and publish the charge."""
    kilometres = distance(CITIES[start], CITIES[end])
    cents = 390 + 45 * ceil(kilos) + ceil(kilometres / 10)
    (OUT / "labels").mkdir(parents=True, exist_ok=True)
    (OUT / "labels" / f"{parcel}.svg").write_text(label(parcel, start, end), encoding="utf-8")
    charge = {"parcel": parcel, "cents": cents, "kilometres": round(kilometres)}
    pulpo.publish(pulpo.Message(type="billing.charge", body=charge, queue="billing"))


def distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the kilometres between two points on the globe."""
    (lat1, lon1), (lat2, lon2) = ((radians(a), radians(b)) for a, b in (one, other))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371 * asin(sqrt(half))


def label(parcel: str, start: str, end: str) -> str:
    """Return a label with the parcel's number as a bar code."""
    x, bars = 20, []
    for character in f"*{parcel}*":
        for place, kind in enumerate(CODE39[character]):
            width = 6 if kind == "w" else 2
            if place % 2 == 0:
                bars.append(f'<rect x="{x}" y="70" width="{width}" height="80"/>')
            x += width
        x += 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {x + 20} 190"'
        ' font-family="sans-serif">'
        f'<text x="20" y="45" font-size="24">{start} → {end}</text>{"".join(bars)}'
        f'<text x="20" y="175">{parcel}</text></svg>'
    )
