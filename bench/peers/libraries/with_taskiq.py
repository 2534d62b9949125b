"""taskiq on Redis: a list, or a stream, which acknowledges."""

from __future__ import annotations

from taskiq_redis import ListQueueBroker, RedisStreamBroker

from bench.peers import bodies, clearing
from bench.peers.producer import AsyncProducer

if bodies.VARIANT == "stream":
    broker = RedisStreamBroker(url=bodies.URL, consumer_id="0")
else:
    broker = ListQueueBroker(url=bodies.URL)

JOBS = {
    "noop": broker.task(task_name="noop")(bodies.anoop),
    "sleep": broker.task(task_name="sleep")(bodies.asleep),
    "slow": broker.task(task_name="slow")(bodies.aslow),
}

PRODUCER = AsyncProducer(
    send={kind: job.kiq for kind, job in JOBS.items()},
    empty=clearing.aflush_redis,
    open=broker.startup,
    close=broker.shutdown,
)
