"""The parts of a worker that every run passes through, from its reservation to its settlement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulpo.adapter import QueueAdapter
from pulpo.clock import Clock
from pulpo.worker.gate import Gate
from pulpo.worker.gatekeeper import Rule
from pulpo.worker.hands import Hands
from pulpo.worker.journal import Journal
from pulpo.worker.room import Room
from pulpo.worker.settings import WorkerParts, WorkerSettings
from pulpo.worker.settling import Settling
from pulpo.worker.watch import Watch

__all__ = ["Inside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """The loop thread's. `gate` is None where nobody has to be asked about any run."""

    hands: Hands
    room: Room
    watch: Watch
    settling: Settling
    gate: Gate | None

    @classmethod
    def of(
        cls,
        adapter: QueueAdapter,
        parts: WorkerParts,
        settings: WorkerSettings,
        clock: Clock,
        journal: Journal,
        rules: Sequence[Rule],
        hands: Hands,
    ) -> Inside:
        """Make the parts of one worker around its pools; starts nothing."""
        threads, coroutines = hands.threads, hands.coroutines
        gate = hands.make_gate(rules, parts, settings, clock, adapter.wake) if rules else None
        watch = Watch(adapter, clock, threads, coroutines)
        return cls(
            hands=hands,
            room=Room(parts.registry, settings, threads, coroutines, gate),
            watch=watch,
            settling=Settling(parts.codec, watch, journal, clock, parts.listeners, gate),
            gate=gate,
        )
