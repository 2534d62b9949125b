"""Which drugs go together, and who must not have them. Pure: facts in, findings out.

A demonstration on a handful of well-known facts, not a tool for treating people.
"""

from __future__ import annotations

from collections.abc import Iterable

from examples.pharmacy.hl7 import BadOrder

# drug -> its class; an allergy names a drug or a class
CLASSES = {
    "amoxicillin": "penicillins",
    "aspirin": "nsaids",
    "cefalexin": "cephalosporins",
    "clarithromycin": "macrolides",
    "ibuprofen": "nsaids",
    "isosorbide": "nitrates",
    "lisinopril": "ace inhibitors",
    "methotrexate": "antimetabolites",
    "paracetamol": "analgesics",
    "sildenafil": "pde5 inhibitors",
    "simvastatin": "statins",
    "spironolactone": "potassium savers",
    "trimethoprim": "antifolates",
    "warfarin": "anticoagulants",
}

INTERACTIONS = {
    frozenset({"warfarin", "nsaids"}): ("major", "bleeding"),
    frozenset({"warfarin", "clarithromycin"}): ("major", "bleeding: warfarin rises"),
    frozenset({"simvastatin", "clarithromycin"}): ("major", "muscle breakdown"),
    frozenset({"sildenafil", "nitrates"}): ("major", "severe fall of blood pressure"),
    frozenset({"methotrexate", "trimethoprim"}): ("major", "bone marrow failure"),
    frozenset({"lisinopril", "spironolactone"}): ("moderate", "high potassium"),
    frozenset({"lisinopril", "nsaids"}): ("moderate", "kidney function"),
}

CROSS_ALLERGIES = {"penicillins": {"cephalosporins": "moderate"}}


def check(drug: str, taking: Iterable[str], allergies: Iterable[str]) -> list[tuple[str, str]]:
    """Return findings as (severity, text); `BadOrder` for a drug that the tables do not know."""
    if drug not in CLASSES:
        raise BadOrder(f"unknown drug {drug!r}; it cannot be checked")
    findings = []
    for allergy in sorted(set(allergies)):
        if allergy in (drug, CLASSES[drug]):
            findings.append(("major", f"allergic to {allergy}"))
        elif severity := CROSS_ALLERGIES.get(allergy, {}).get(CLASSES[drug]):
            findings.append((severity, f"allergic to {allergy}: may react to {drug}"))
    for other in sorted(set(taking)):
        for pair in _pairs(drug, other):
            if pair in INTERACTIONS:
                severity, effect = INTERACTIONS[pair]
                findings.append((severity, f"{drug} with {other}: {effect}"))
    return findings


def decide(findings: Iterable[tuple[str, str]]) -> str:
    """Return what becomes of the order: `clear`, `review` by a pharmacist, or `hold`."""
    severities = {severity for severity, _ in findings}
    return "hold" if "major" in severities else "review" if severities else "clear"


def _pairs(one: str, other: str) -> set[frozenset[str]]:
    names = ((one, CLASSES[one]), (other, CLASSES.get(other, other)))
    return {frozenset({a, b}) for a in names[0] for b in names[1]}
