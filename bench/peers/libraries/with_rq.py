"""RQ; its worker imports the functions by their dotted names."""

from __future__ import annotations

from redis import Redis
from rq import Queue

from bench.peers import bodies, clearing
from bench.peers.producer import SyncProducer

queue = Queue(connection=Redis.from_url(bodies.URL))
_options = {"result_ttl": 0} if bodies.TUNED else {}

JOBS = {"noop": bodies.noop, "sleep": bodies.sleep, "slow": bodies.slow}

PRODUCER = SyncProducer(
    send={
        kind: lambda number, function=function: queue.enqueue(function, number, **_options)
        for kind, function in JOBS.items()
    },
    many=lambda kind, numbers: queue.enqueue_many(
        [Queue.prepare_data(JOBS[kind], (number,), **_options) for number in numbers]
    ),
    empty=clearing.flush_redis,
)
