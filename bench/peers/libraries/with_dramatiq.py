"""Dramatiq on Redis; tuned without any of its middleware."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.peers import bodies, clearing
from bench.peers.producer import SyncProducer

_options = {"middleware": []} if bodies.TUNED else {}
dramatiq.set_broker(RedisBroker(url=bodies.URL, **_options))

JOBS = {
    "noop": dramatiq.actor(bodies.noop),
    "sleep": dramatiq.actor(bodies.sleep),
    "slow": dramatiq.actor(bodies.slow),
}

PRODUCER = SyncProducer(
    send={kind: job.send for kind, job in JOBS.items()},
    many=lambda kind, numbers: dramatiq.group([JOBS[kind].message(n) for n in numbers]).run(),
    empty=clearing.flush_redis,
)
