"""Who is measured, with which settings. Adding a library is an entry here and a module beside.

Each runs twice: *tuned* for the rates, by what its manual offers for speed, with two worker
processes wherever it has such a thing; and *plain*, as it comes, for the kill -9 table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["PEERS", "Command", "Peer"]

Command = Sequence[str]  # `{url}` stands for the server's address


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A library with one server and one set of settings.

    `packages` are what its environment holds; none means that of pulpo. `workers` and `plain` are
    commands started side by side. `sleepers` are those for jobs that wait, as `sleeping` says.
    """

    name: str
    module: str
    server: str
    durable: str
    workers: Sequence[Command]
    plain: Sequence[Command]
    packages: Sequence[str] = ()
    variant: str = ""
    sleepers: Sequence[Command] = ()
    sleeping: str = ""
    many: bool = True
    together: bool = False
    n: int = 10_000
    note: str = ""
    environment: dict[str, str] = field(default_factory=dict)


_MEMORY = "server's memory"
_SYNCED = "disk, synced"
_LIBRARIES = "bench.peers.libraries"


def _pulpo(engine: str, durable: str) -> Peer:
    worker = ["python", "-m", "pulpo", "worker", f"{_LIBRARIES}.with_pulpo"]
    return Peer(
        name=f"pulpo-{engine.replace('sqlite', 'file').replace('?sync=', '-')}",
        module="with_pulpo",
        server=engine,
        durable=durable,
        workers=[[*worker, "--processes", "2"]],
        plain=[worker],
        sleepers=[[*worker, "--processes", "2", "--threads", "50"]],
        sleeping="2 x 50 threads",
        n=20_000,
    )


def _celery(name: str, server: str, variant: str = "") -> Peer:
    worker = ["celery", "-A", f"{_LIBRARIES}.with_celery", "worker"]
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING"]
    return Peer(
        name=name,
        module="with_celery",
        packages=("celery[redis]",),
        server=server,
        durable=_MEMORY,
        variant=variant,
        workers=[[*worker, "-P", "solo", "-n", f"w{k}@peers", *alone] for k in (1, 2)],
        plain=[[*worker, "-l", "INFO"]],
        sleepers=[[*worker, "-c", "100", "-P", "threads", *alone]],
        sleeping="1 x 100 threads",
        n=5_000,
    )


def _huey(server: str, durable: str) -> Peer:
    worker = ["huey_consumer", f"{_LIBRARIES}.with_huey.huey"]
    polls = ["-d", "0.01", "-m", "0.05"] if server == "sqlite" else []
    threads = [*worker, "-k", "thread", "-q", *polls, "-w"]
    return Peer(
        name=f"huey-{server.replace('sqlite', 'file')}",
        module="with_huey",
        packages=("huey", "redis"),
        server="file" if server == "sqlite" else server,
        durable=durable,
        variant=server,
        workers=[[*worker, "-k", "process", "-w", "2", "-q", *polls]],
        plain=[worker],
        sleepers=[[*threads, "32"]] if server == "sqlite" else [[*threads, "50"]] * 2,
        sleeping="1 x 32 threads" if server == "sqlite" else "2 x 50 threads",
    )


def _taskiq(variant: str) -> Peer:
    worker = ["taskiq", "worker", f"{_LIBRARIES}.with_taskiq:broker"]
    tuned = [*worker, "-w", "2", "--log-level", "WARNING"]
    return Peer(
        name=f"taskiq-{variant}",
        module="with_taskiq",
        packages=("taskiq", "taskiq-redis"),
        server="redis",
        durable=_MEMORY,
        variant=variant,
        workers=[tuned],
        plain=[worker],
        sleepers=[tuned],
        sleeping="2 x 100 coroutines",
        many=False,
        together=True,
    )


_DRAMATIQ = ["dramatiq", f"{_LIBRARIES}.with_dramatiq"]
_RQ = ["rq", "worker", "-u", "{url}"]
_RQ_SIMPLE = [*_RQ, "-q", "-w", "rq.worker.SimpleWorker"]
_ARQ = ["arq", f"{_LIBRARIES}.with_arq"]
_SAQ = ["saq", f"{_LIBRARIES}.with_saq"]
_STREAQ = ["streaq", "run", f"{_LIBRARIES}.with_streaq:worker"]
_PROCRASTINATE = ["procrastinate", "--app", f"{_LIBRARIES}.with_procrastinate.app", "worker"]
_PGQUEUER = ["python", "-m", f"{_LIBRARIES}.with_pgqueuer"]
_CHANCY = ["chancy", "--app", f"{_LIBRARIES}.with_chancy.app", "worker", "start"]

PEERS = (
    _pulpo("beanstalkd", _MEMORY),
    _pulpo("sqlite", _SYNCED),
    _pulpo("sqlite?sync=normal", "disk"),
    _pulpo("postgresql", _SYNCED),
    _celery("celery-redis", "redis"),
    _celery("celery-redis-late", "redis", "late"),
    _celery("celery-rabbitmq", "rabbitmq"),
    _celery("celery-rabbitmq-late", "rabbitmq", "late"),
    Peer(
        name="dramatiq",
        module="with_dramatiq",
        packages=("dramatiq[redis]",),
        server="redis",
        durable=_MEMORY,
        workers=[[*_DRAMATIQ, "-p", "2", "-t", "2"]],
        plain=[_DRAMATIQ],
        sleepers=[[*_DRAMATIQ, "-p", "2", "-t", "50"]],
        sleeping="2 x 50 threads",
        environment={"dramatiq_queue_prefetch": "100"},
    ),
    Peer(
        name="rq",
        module="with_rq",
        packages=("rq",),
        server="redis",
        durable=_MEMORY,
        workers=[_RQ_SIMPLE] * 2,
        plain=[_RQ],
        sleepers=[_RQ_SIMPLE] * 16,
        sleeping="16 processes",
        n=1_000,
    ),
    _huey("redis", _MEMORY),
    _huey("sqlite", _SYNCED),
    _taskiq("list"),
    _taskiq("stream"),
    Peer(
        name="arq",
        module="with_arq",
        packages=("arq",),
        server="redis",
        durable=_MEMORY,
        workers=[[*_ARQ[:1], f"{_ARQ[1]}.Tuned"]] * 2,
        plain=[[*_ARQ[:1], f"{_ARQ[1]}.Plain"]],
        sleepers=[[*_ARQ[:1], f"{_ARQ[1]}.Tuned"]] * 2,
        sleeping="2 x 200 coroutines",
        many=False,
        together=True,
        n=5_000,
    ),
    Peer(
        name="saq",
        module="with_saq",
        packages=("saq[redis,hiredis]", "typing_extensions"),
        server="redis",
        durable=_MEMORY,
        workers=[[*_SAQ[:1], f"{_SAQ[1]}.tuned", "--workers", "2"]],
        plain=[[*_SAQ[:1], f"{_SAQ[1]}.plain"]],
        sleepers=[[*_SAQ[:1], f"{_SAQ[1]}.tuned", "--workers", "2"]],
        sleeping="2 x 50 coroutines",
        many=False,
        together=True,
    ),
    Peer(
        name="streaq",
        module="with_streaq",
        packages=("streaq",),
        server="redis",
        durable=_MEMORY,
        workers=[[*_STREAQ, "-w", "2"]],
        plain=[_STREAQ],
        sleepers=[[*_STREAQ, "-w", "2"]],
        sleeping="2 x 128 coroutines",
        together=True,
        n=5_000,
    ),
    Peer(
        name="procrastinate",
        module="with_procrastinate",
        packages=("procrastinate", "psycopg[binary]"),
        server="postgresql",
        durable=_SYNCED,
        workers=[[*_PROCRASTINATE, "-c", "20", "--delete-jobs", "always"]] * 2,
        plain=[_PROCRASTINATE],
        sleepers=[[*_PROCRASTINATE, "-c", "50", "--delete-jobs", "always"]] * 2,
        sleeping="2 x 50 coroutines",
        together=True,
        n=2_000,
    ),
    Peer(
        name="pgqueuer",
        module="with_pgqueuer",
        packages=("pgqueuer[asyncpg]",),
        server="postgresql",
        durable=_SYNCED,
        workers=[[*_PGQUEUER, "200"]] * 2,
        plain=[_PGQUEUER],
        sleepers=[[*_PGQUEUER, "200"]] * 2,
        sleeping="2 x 200 coroutines",
    ),
    Peer(
        name="chancy",
        module="with_chancy",
        packages=("chancy[cli]", "psycopg[binary]"),
        server="postgresql",
        durable=_SYNCED,
        workers=[_CHANCY] * 2,
        plain=[_CHANCY],
        sleepers=[_CHANCY] * 2,
        sleeping="2 x 200 coroutines",
        n=2_000,
        note="starts jobs ahead of its acknowledgements, so that it drains slower than it says",
    ),
)
