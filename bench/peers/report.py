"""The tables about the peers, as text and as JSON; knows nothing of how they were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from bench.peers.field import Peer
from bench.peers.kill import Aftermath
from bench.peers.rates import METRICS
from bench.table import columns, short
from bench.timing import Sample, Spread

__all__ = ["Finding", "as_json", "render_kills", "render_rates"]


@dataclass(slots=True)
class Finding:
    """All that is known of one peer; `reason` says why nothing is, or not everything."""

    peer: Peer
    samples: list[Sample] = field(default_factory=list)
    kill: Aftermath | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def spread(self, metric: str) -> Spread | None:
        values = [sample[metric] for sample in self.samples if metric in sample]
        return Spread.of(values) if values else None


def render_rates(findings: Sequence[Finding]) -> str:
    """Return a line for each peer that ran: medians, and what its durability is."""
    lines: list[tuple[str, ...]] = [("peer", "jobs are in", *METRICS)]
    for found in findings:
        if found.samples:
            cells = [_short(found.spread(metric)) for metric in METRICS]
            lines.append((found.peer.name, found.peer.durable, *cells))
    return columns(lines, range(2, 2 + len(METRICS)))


def _short(spread: Spread | None) -> str:
    return "-" if spread is None else short(spread.middle)


def render_kills(findings: Sequence[Finding], wait: float) -> str:
    """Return what became of 50 jobs when the worker was killed."""
    lines: list[tuple[str, ...]] = [
        (
            "peer",
            "finished",
            "in flight",
            "missing, 30 s",
            f"missing, {wait:g} s",
            "waited s",
            "twice",
        )
    ]
    for found in findings:
        if (kill := found.kill) is not None:
            counts = (kill.finished, kill.in_flight, kill.missing_soon, kill.missing)
            cells = map(str, counts)
            lines.append((found.peer.name, *cells, f"{kill.waited:.1f}", str(kill.twice)))
    return columns(lines, range(1, 7))


def as_json(findings: Sequence[Finding], machine: Mapping[str, object]) -> dict[str, object]:
    """Return everything, ready for `json.dump`."""
    return {
        "machine": dict(machine),
        "peers": [
            {
                "name": found.peer.name,
                "server": found.peer.server,
                "durable": found.peer.durable,
                "sleeping": found.peer.sleeping,
                "note": found.peer.note,
                "reason": found.reason,
                "samples": [dict(sample) for sample in found.samples],
                "kill": asdict(found.kill) if found.kill else None,
                "versions": dict(found.versions),
            }
            for found in findings
        ],
    }
