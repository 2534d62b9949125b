"""Orders arrive from the wards: `python -m examples.pharmacy.receive`.

A STAT order overtakes everything that waits; an order that is over expires unchecked.
"""

from __future__ import annotations

from pathlib import Path

import pulpo
from examples.pharmacy import records
from examples.pharmacy.hl7 import BadOrder, parse
from examples.pharmacy.tasks import check

INBOX = Path(__file__).parent / "inbox"


def message(text: str) -> pulpo.Message:
    """Return the job for one order; what cannot be read is for the worker to bury."""
    try:
        order = parse(text)
    except BadOrder:
        return check.message(text)
    urgency = pulpo.HIGH if order.stat else pulpo.NORMAL
    return check.using(priority=urgency, expires=order.ends).message(text)


def main() -> None:
    records.create()
    files = sorted(INBOX.glob("*.hl7"))
    refs = pulpo.publish_many([message(path.read_text()) for path in files])
    for path, ref in zip(files, refs, strict=True):
        print(f"{path.name}: job {ref.id}")


if __name__ == "__main__":
    main()
