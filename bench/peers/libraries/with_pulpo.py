"""pulpo itself, as one row for each engine; all settings are a user's defaults."""

from __future__ import annotations

import pulpo
from bench.peers import bodies
from bench.peers.producer import SyncProducer

pulpo.configure(url=bodies.URL)

noop = pulpo.job(type="noop")(bodies.noop)
sleep = pulpo.job(type="sleep")(bodies.sleep)
slow = pulpo.job(type="slow")(bodies.slow)

JOBS = {"noop": noop, "sleep": sleep, "slow": slow}

PRODUCER = SyncProducer(
    send={kind: job.delay for kind, job in JOBS.items()},
    many=lambda kind, numbers: JOBS[kind].delay_many([(number,) for number in numbers]),
)
