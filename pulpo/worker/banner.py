"""What a worker says about itself when it starts."""

from __future__ import annotations

from pulpo.worker.settings import WorkerParts, WorkerSettings

__all__ = ["banner", "describe"]


def describe(parts: WorkerParts, settings: WorkerSettings) -> dict[str, object]:
    """Return what a worker process works with, as plain values."""
    return {
        "engine": parts.shown_url,
        "queues": list(settings.queues or parts.registry.queues()),
        "types": sorted(job_type.type for job_type in parts.registry),
        "homes": sorted((job_type.queue, job_type.type) for job_type in parts.registry),
    }


def banner(facts: dict[str, object], settings: WorkerSettings, processes: int) -> dict[str, object]:
    """Return the fields of the start line."""
    queues, types = facts.get("queues"), facts.get("types")
    return {
        "engine": facts.get("engine"),
        "queues": ",".join(queues) if isinstance(queues, list) else "",
        "types": (",".join(types) if isinstance(types, list) else "") or "none",
        "processes": processes,
        "threads": settings.threads,
        "async_slots": settings.async_slots,
        "grace": f"{settings.grace:g}s",
    }
