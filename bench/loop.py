"""What an engine's adapter costs by itself, without a worker: put, then exchange until empty.

    python -m bench.loop beanstalkd|sqlite|memory [--n 50000] [--limit 128] [--rounds 3] [--profile]

Fills a private queue with jobs of 100 bytes through `put`, 1,000 a call. Then each `exchange`
deletes the last batch and reserves the next. A bare loop on the same engine does the same with
the same batches, in turns with it, in this process.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable, Sequence

from bench.bare.doors import address_of, open_bare
from bench.place import ENGINES, Place, missing, open_place
from bench.progress import Progress
from bench.table import render
from bench.timing import PULPO, alternate, rows
from pulpo.adapter import QueueAdapter
from pulpo.adapters import open_engine
from pulpo.errors import QueueError
from pulpo.identity import new_ids
from pulpo.job import Job, NewJob, Settlement, Verb

CHUNK = 1000
BODY = b"x" * 100


def _fill(adapter: QueueAdapter, jobs: Sequence[NewJob]) -> None:
    for start in range(0, len(jobs), CHUNK):
        for answer in adapter.put(jobs[start : start + CHUNK]):
            if isinstance(answer, QueueError):
                raise answer


def _empty(adapter: QueueAdapter, limit: int) -> int:
    """Return how many jobs were reserved, each deleted by the exchange after."""
    count = 0
    settlements: list[Settlement] = []
    while True:
        answers, jobs = adapter.exchange(settlements, ["bench"], limit=limit, timeout=0)
        if not all(answer is True for answer in answers):
            raise RuntimeError(f"a delete was answered {set(map(repr, answers))}")
        if not jobs:
            return count
        settlements = [_delete(job) for job in jobs]
        count += len(jobs)


def _delete(job: Job) -> Settlement:
    return Settlement(Verb.DELETE, job)


def _rates(n: int, fill: Callable[[], object], empty: Callable[[], int]) -> dict[str, float]:
    start = time.perf_counter()
    fill()
    full = time.perf_counter()
    count = empty()
    end = time.perf_counter()
    if count != n:
        raise RuntimeError(f"{n} jobs were put, {count} came back")
    return {"put jobs/s": n / (full - start), "exchange jobs/s": n / (end - full)}


def run_adapter(place: Place, n: int, limit: int) -> dict[str, float]:
    """Measure the adapter once, at a new place."""
    adapter = open_engine(place.url).adapter()
    jobs = [NewJob(id=key, type="bench.noop", queue="bench", body=BODY) for key in new_ids(n)]
    try:
        return _rates(n, lambda: _fill(adapter, jobs), lambda: _empty(adapter, limit))
    finally:
        adapter.close()


def run_bare(place: Place, n: int, limit: int) -> dict[str, float]:
    """Measure the bare loop once, at a new place."""
    door = open_bare(address_of(place))
    bodies = [BODY] * n
    return _rates(n, lambda: door.put(bodies, CHUNK), lambda: door.drain(_ignore, limit))


def _ignore(body: bytes) -> None:
    del body


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, or the profile of one run."""
    parser = argparse.ArgumentParser(prog="python -m bench.loop", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--n", type=int, default=50_000, help="jobs a round")
    parser.add_argument("--limit", type=int, default=128, help="jobs an exchange")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="where one run's time goes")
    asked = parser.parse_args(arguments)
    reason = missing(asked.engine)
    if reason:
        parser.exit(1, f"not measured: {reason}\n")

    def once(run: Callable[[Place, int, int], dict[str, float]]) -> dict[str, float]:
        with open_place(asked.engine) as place:
            return run(place, asked.n, asked.limit)

    if asked.profile:
        with cProfile.Profile() as profile:
            once(run_adapter)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    loops = {PULPO: lambda: once(run_adapter), "bare, same batches": lambda: once(run_bare)}
    with Progress(2 * asked.rounds) as progress:
        progress.begin(f"adapter on {asked.engine}")
        samples = alternate(loops, asked.rounds, progress.step)
    print(render(rows("adapter", asked.engine, asked.n, samples)))


if __name__ == "__main__":
    main()
