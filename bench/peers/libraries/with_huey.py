"""Huey, on Redis or on a SQLite file; the file is synced, as that of pulpo is."""

from __future__ import annotations

from pathlib import Path

from huey import RedisHuey, SqliteHuey

from bench.peers import bodies, clearing
from bench.peers.producer import SyncProducer

_options = {"results": False} if bodies.TUNED else {}
if bodies.VARIANT == "sqlite":
    huey = SqliteHuey(
        "peers", filename=str(Path(bodies.FOLDER) / "huey.db"), fsync=True, **_options
    )
else:
    huey = RedisHuey("peers", url=bodies.URL, **_options)

JOBS = {
    "noop": huey.task()(bodies.noop),
    "sleep": huey.task()(bodies.sleep),
    "slow": huey.task()(bodies.slow),
}


def _empty() -> None:
    if bodies.VARIANT == "sqlite":
        huey.storage.flush_all()
    else:
        clearing.flush_redis()


PRODUCER = SyncProducer(send=JOBS, many=lambda kind, numbers: JOBS[kind].map(numbers), empty=_empty)
