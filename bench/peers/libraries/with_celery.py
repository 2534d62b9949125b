"""Celery, on Redis or RabbitMQ; `late` acknowledges when a job is done, not when it is taken."""

from __future__ import annotations

from celery import Celery, group

from bench.peers import bodies, clearing
from bench.peers.producer import SyncProducer

app = Celery("peers", broker=bodies.URL)
app.conf.update(broker_connection_retry_on_startup=True)
if bodies.TUNED:
    app.conf.update(
        task_ignore_result=True,
        worker_disable_rate_limits=True,
        worker_prefetch_multiplier=64,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
if bodies.VARIANT == "late":
    app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True)

JOBS = {
    "noop": app.task(name="noop")(bodies.noop),
    "sleep": app.task(name="sleep")(bodies.sleep),
    "slow": app.task(name="slow")(bodies.slow),
}


def _empty() -> None:
    if bodies.URL.startswith("redis"):
        clearing.flush_redis()
    else:
        app.control.purge()


PRODUCER = SyncProducer(
    send={kind: job.delay for kind, job in JOBS.items()},
    many=lambda kind, numbers: group([JOBS[kind].s(n) for n in numbers]).apply_async(),
    empty=_empty,
)
