"""pulpo itself, as one row for each engine; all settings are a user's defaults."""

from __future__ import annotations

from contextlib import closing

import pulpo
from bench.peers import bodies
from bench.peers.producer import SyncProducer
from pulpo.job import Act, Change

# All libraries get the same server, an empty one.
_MADE = "?create=1" if bodies.URL.startswith("postgresql:") else ""
pulpo.configure(url=bodies.URL + _MADE)

noop = pulpo.job(type="noop")(bodies.noop)
sleep = pulpo.job(type="sleep")(bodies.sleep)
slow = pulpo.job(type="slow")(bodies.slow)

JOBS = {"noop": noop, "sleep": sleep, "slow": slow}


def _empty() -> None:
    # Or the workers of the next measure would begin with what the last one has left.
    with closing(pulpo.default_app().engine.admin()) as admin:
        for page in list(admin.walk()):
            admin.change([Change(Act.DELETE, job.sighting) for job in page.jobs])


PRODUCER = SyncProducer(
    empty=_empty,
    send={kind: job.delay for kind, job in JOBS.items()},
    many=lambda kind, numbers: JOBS[kind].delay_many([(number,) for number in numbers]),
)
