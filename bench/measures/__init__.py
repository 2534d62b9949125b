"""All that is measured, in the order of the table, and beside which bare loops."""

from __future__ import annotations

from functools import partial

from bench.bare_side import BareSide
from bench.beside_side import BesideSide
from bench.family import missing_family
from bench.measure import Measure
from bench.measures import beside, flow, idle, scale, size, sleeping, start
from bench.place import ENGINES
from bench.pulpo_side import PulpoSide
from bench.sides import Opens

__all__ = ["MEASURES", "hundredth"]


def _bare(size: int) -> Opens:
    return partial(BareSide, size=size)


def hundredth(n: int) -> int:
    """Return with how many waiting jobs a million is compared."""
    return max(1, n // 100)


# Both are shown: the second is what a worker must beat that asks for one job after the other.
_CONSUMERS = {"consumer takes all there is": _bare(128), "consumer takes one by one": _bare(1)}
_SOCKET = {"raw socket, batches of 128": _bare(128)}
_FILE = {"sqlite3, batches of 128": _bare(128)}
_TABLE = {"psycopg, batches of 128": _bare(128)}
_BOTH = {"sqlite": _FILE, "beanstalkd": _SOCKET}
_ALL = {**_BOTH, "postgresql": _TABLE}
_ONE_BY_ONE = {
    "memory": {"heap under a lock": _bare(1)},
    "sqlite": {"sqlite3, synced": _bare(1)},
    "sqlite?sync=normal": {"sqlite3, not synced": _bare(1)},
    "beanstalkd": {"greenstalk": _bare(1)},
    "postgresql": {"psycopg, insert and commit": _bare(1)},
}
_WAITING = {
    "sqlite": {"sqlite3; datagram": _bare(1)},
    "beanstalkd": {"greenstalk; waiting reserve": _bare(1)},
    "postgresql": {"psycopg; NOTIFY": _bare(1)},
}
_WITHOUT = {"pulpo, without limited jobs": partial(BesideSide, limited=False)}
_SMALL = {"pulpo, a hundredth of the jobs": PulpoSide}

MEASURES = (
    Measure(
        name="publish",
        about="publish one by one",
        n=2_000,
        rounds=15,
        take=flow.publish,
        bare=_ONE_BY_ONE,
    ),
    Measure(
        name="publish_many",
        about="publish 1,000 a call",
        n=50_000,
        take=flow.publish_many,
        bare={
            "memory": {"heap under a lock, by 1000": _bare(128)},
            "sqlite": {"sqlite3, synced, 1000 a transaction": _bare(128)},
            "sqlite?sync=normal": {"sqlite3, not synced, 1000 a transaction": _bare(128)},
            "beanstalkd": {"raw socket, 1000 a flight": _bare(128)},
            "postgresql": {"psycopg, COPY of 1000": _bare(128)},
        },
    ),
    Measure(
        name="drain",
        about="work off a full queue, one process",
        n=20_000,
        take=flow.drain,
        bare={
            "memory": {"heap, a thread takes 128": _bare(128)},
            "sqlite": _FILE,
            "beanstalkd": {**_SOCKET, "greenstalk, one by one": _bare(1)},
            "postgresql": _TABLE,
        },
    ),
    Measure(
        name="drain_all",
        about="work off a full queue, a process for each core",
        n=20_000,
        take=flow.drain_all,
        bare=_ALL,
    ),
    Measure(
        name="end_to_end",
        about="publish one by one while one process works",
        n=3_000,
        take=flow.end_to_end,
        bare=dict.fromkeys(ENGINES, _CONSUMERS),
    ),
    Measure(
        name="latency",
        about="from the call to the first line of the job, idle worker",
        n=300,
        take=flow.latency,
        bare={
            "memory": {"heap, a thread waits": _bare(1)},
            "sqlite": {"sqlite3, synced; datagram": _bare(1)},
            "sqlite?sync=normal": {"sqlite3, not synced; datagram": _bare(1)},
            "beanstalkd": {"greenstalk; waiting reserve": _bare(1)},
            "postgresql": {"psycopg; NOTIFY": _bare(1)},
        },
    ),
    Measure(
        name="sleep_threads",
        about="jobs that wait 10 ms, two processes of 50 threads",
        n=1_000,
        take=sleeping.threads,
        bare={
            "sqlite": {"sqlite3, 2 x 50 threads": _bare(50)},
            "beanstalkd": {"raw socket, 2 x 50 threads": _bare(50)},
        },
    ),
    Measure(
        name="sleep_async",
        about="jobs that wait 10 ms, two processes of 100 coroutines",
        n=1_000,
        take=sleeping.coroutines,
        bare={
            "sqlite": {"sqlite3, 2 x 100 coroutines": _bare(100)},
            "beanstalkd": {"raw socket, 2 x 100 coroutines": _bare(100)},
        },
    ),
    Measure(
        name="boot",
        about="from starting a worker of two processes to its first job",
        n=1,
        take=start.boot,
        bare=_WAITING,
    ),
    Measure(
        name="idle",
        about="two idle processes and their supervisor; n is how long, in ms",
        n=3_000,
        rounds=3,
        take=idle.idle,
        bare=_WAITING,
        missing=missing_family,
    ),
    Measure(
        name="first_publish",
        about="a program that imports and publishes one message, over bare Python",
        n=5,
        take=start.first_publish,
        bare={"sqlite": {"sqlite3": _bare(1)}, "beanstalkd": {"greenstalk": _bare(1)}},
    ),
    Measure(
        name="first_delay",
        about="the same with a decorated function",
        n=5,
        take=start.first_delay,
        bare={"sqlite": {"sqlite3": _bare(1)}, "beanstalkd": {"greenstalk": _bare(1)}},
    ),
    Measure(
        name="processes",
        about="work off a full queue with 1, 2 and 4 processes",
        n=20_000,
        rounds=3,
        take=scale.processes,
        bare=_ALL,
    ),
    Measure(
        name="producers",
        about="1 to 16 producers at once, one by one; n is for each, at 4,000/s",
        n=2_000,
        rounds=3,
        take=scale.producers,
        bare={
            "sqlite": {"sqlite3, synced": _bare(1)},
            "sqlite?sync=normal": {"sqlite3, not synced": _bare(1)},
            "beanstalkd": {"greenstalk": _bare(1)},
            "postgresql": {"psycopg": _bare(1)},
        },
    ),
    Measure(
        name="beside_limited",
        about="work off a full queue, one process, with limited jobs in front and without",
        n=20_000,
        rounds=9,
        take=beside.unlimited,
        opens=partial(BesideSide, limited=True),
        bare={"sqlite": _WITHOUT, "beanstalkd": _WITHOUT},
    ),
    Measure(
        name="million",
        about="publish and work while a million jobs wait, against ten thousand",
        n=1_000_000,
        rounds=3,
        take=size.waiting,
        bare={"sqlite": _SMALL, "beanstalkd": _SMALL, "postgresql": _SMALL},
        bare_n=hundredth,
        long=True,
    ),
    Measure(
        name="million_urgent",
        about="one job at priority 0 before a million, against ten thousand",
        n=1_000_000,
        rounds=3,
        take=size.urgent,
        bare={"sqlite": _SMALL, "beanstalkd": _SMALL, "postgresql": _SMALL},
        bare_n=hundredth,
        long=True,
    ),
    Measure(
        name="delayed",
        about="a million delayed jobs: early, late, memory",
        n=1_000_000,
        rounds=1,
        take=size.delayed,
        bare=_BOTH,
        long=True,
    ),
)
