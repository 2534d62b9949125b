"""The check of a pending medication order, written into the patient's record.

Idempotent by the order's number: a second run of the same order finds its row and changes
nothing. An order that cannot be understood is buried, never taken for harmless.
"""

from __future__ import annotations

import pulpo
from examples.pharmacy import records, rules
from examples.pharmacy.hl7 import BadOrder, parse


@pulpo.job(type="pharmacy.check", queue="pharmacy", fatal=(BadOrder,), timeout="20s")
def check(order: str) -> pulpo.Cancel | None:
    """Check one HL7 order against the patient's drugs and allergies."""
    found = parse(order)
    with records.transaction() as db:
        if records.is_checked(db, found.number):
            return pulpo.Cancel(f"order {found.number} is checked already")
        record = records.known(db, found.patient)
        if record is None:
            raise BadOrder(f"no patient with record number {found.patient!r}")
        taking, allergies = record
        findings = rules.check(found.drug, taking, [*allergies, *found.allergies])
        decision = rules.decide(findings)
        db.execute(
            "INSERT INTO checked (order_number, mrn, drug, decision) VALUES (?, ?, ?, ?)",
            (found.number, found.patient, found.drug, decision),
        )
        db.executemany(
            "INSERT INTO finding VALUES (?, ?, ?)",
            [(found.number, severity, text) for severity, text in findings],
        )
        if decision == "clear":
            db.execute("INSERT OR IGNORE INTO taking VALUES (?, ?)", (found.patient, found.drug))
    return None
