"""The long form of the kill test: producers, workers and server die at random, nothing is lost.

    python -m tests.lab.chaos [--jobs 20000] [--seed N] [--engine file|beanstalkd|both]

Every fraction of a second something is killed, stopped, frozen or started again, until all jobs
are published; then a clean worker drains the queue and the ledger is audited. The seed chooses
the faults, not the moments at which they strike. A failure keeps its folder and names it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.lab.beanstalkd import Beanstalkd
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess

# A job takes longer than what a process would take ahead: it holds no more than its threads.
SECONDS, THREADS, PROCESSES = 0.011, 8, 2
SHARES = {"child": 10, "kill": 2, "stop": 2, "producer": 2, "freeze": 1, "server": 3}
# How many runs one fault may start a second time.
WEIGHTS = {"kill": PROCESSES, "stop": 0, "producer": 0, "server": 2 * PROCESSES}
DRAIN = 120.0


class Chaos:
    """One place in which things go wrong; `struck` counts what did."""

    def __init__(self, place: Place, chosen: random.Random, jobs: int) -> None:
        self.place = place
        self.struck: Counter[str] = Counter()
        self._chosen = chosen
        self._left = jobs
        self._stack = ExitStack()
        self._workers: list[WorkerProcess] = []
        self._producers: list[subprocess.Popen[str]] = []

    def run(self) -> list[str]:
        """Let everything happen; return what is wrong in the end."""
        with self._stack:
            self._workers = [self._worker(), self._worker()]
            while self._publishing():
                time.sleep(self._chosen.uniform(0.1, 0.6))
                self._strike()
            complaints = [text for worker in self._workers for text in self._end(worker)]
            clean = self._worker()
            self.place.wait_until_all_done(patience=DRAIN)
            complaints += self._end(clean)
        buried = self.place.stats()["buried"]
        if buried:
            complaints.append(f"{buried} jobs were buried that did nothing wrong")
        account = self.place.account(kept=[job["id"] for job in self.place.waiting()])
        print(f"  {account.accepted} accepted, {sum(account.doubled.values())} done again")
        return complaints + account.complaints(doubled=self._bound())

    def _bound(self) -> int:
        faults = sum(count * WEIGHTS.get(fault, 1) for fault, count in self.struck.items())
        # Each restart of the server may leave each producer in doubt about what it has sent.
        return faults * (THREADS + 1) + 2 * self.struck["server"]

    def _worker(self) -> WorkerProcess:
        options = ("--processes", str(PROCESSES), "--threads", str(THREADS), "--grace", "2s")
        return self._stack.enter_context(self.place.worker(*options))

    def _end(self, worker: WorkerProcess) -> list[str]:
        code = worker.ready().stop(timeout=10)  # before that, a signal ends any program
        return [f"a worker ended with exit code {code}"] if code else []

    def _publishing(self) -> bool:
        for producer in [each for each in self._producers if each.poll() is not None]:
            self._producers.remove(producer)
            producer.communicate()
            if producer.returncode not in (0, -signal.SIGKILL):
                raise AssertionError("a producer met an error that is not documented")
        while len(self._producers) < 2 and self._left > 0:
            count = min(self._left, 500)
            self._left -= count
            self._producers += self.place.produce(
                1, count, f"--seconds={SECONDS}", f"--batch={self._chosen.choice([1, 1, 7])}"
            )
        return bool(self._producers)

    def _strike(self) -> None:
        faults = [fault for fault in SHARES if fault != "server" or self.place.server]
        fault = self._chosen.choices(faults, [SHARES[fault] for fault in faults])[0]
        place = self._chosen.randrange(len(self._workers))
        worker = self._workers[place]
        if not getattr(self, f"_{fault}")(worker):
            return
        self.struck[fault] += 1
        if not worker.runs():
            self._workers[place] = self._worker()

    def _child(self, worker: WorkerProcess) -> bool:
        return self._signal_child(worker, signal.SIGKILL)

    def _freeze(self, worker: WorkerProcess) -> bool:
        # Its supervisor misses its beat and kills it.
        return self._signal_child(worker, signal.SIGSTOP)

    def _signal_child(self, worker: WorkerProcess, number: int) -> bool:
        there = worker.children()
        if there:
            os.kill(self._chosen.choice(there), number)
        return bool(there)

    def _kill(self, worker: WorkerProcess) -> bool:
        worker.kill()
        return True

    def _stop(self, worker: WorkerProcess) -> bool:
        if not worker.said("started"):
            return False
        code = worker.stop(timeout=10)
        assert code == 0, f"SIGTERM was answered by exit code {code}"
        return True

    def _producer(self, worker: WorkerProcess) -> bool:
        if self._producers:
            self._chosen.choice(self._producers).kill()
        return bool(self._producers)

    def _server(self, worker: WorkerProcess) -> bool:
        assert self.place.server is not None
        self.place.server.kill()
        time.sleep(self._chosen.uniform(0, 1))
        self.place.server.start()
        return True


def unleash(engine: str, seed: int, jobs: int) -> bool:
    """Run one story; tell whether all was well."""
    folder = Path(tempfile.mkdtemp(prefix=f"pulpo-chaos-{engine}-"))
    print(f"{engine}: {jobs} jobs, seed {seed}, in {folder}", flush=True)
    with ExitStack() as stack:
        server = None
        if engine == "beanstalkd":
            server = stack.enter_context(Beanstalkd("-f0", binlog=folder / "binlog"))
        url = server.url if server else f"sqlite:///{folder}/queue.db"
        chaos = Chaos(Place(folder, url, server), random.Random(seed), jobs)
        started = time.monotonic()
        try:
            complaints = chaos.run()
        except AssertionError as error:
            complaints = [str(error)]
        chaos.place.ledger.close()
    faults = ", ".join(f"{count} {fault}" for fault, count in sorted(chaos.struck.items()))
    print(f"  {time.monotonic() - started:.0f} s, faults: {faults}")
    for complaint in complaints:
        print(f"  WRONG: {complaint}")
    if not complaints:
        shutil.rmtree(folder)
    return not complaints


def main() -> int:
    """Run the stories that were asked for; 1 where one went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.chaos")
    parser.add_argument("--jobs", type=int, default=20_000, help="on each engine [%(default)s]")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the faults")
    parser.add_argument("--engine", choices=["file", "beanstalkd", "both"], default="both")
    given = parser.parse_args()
    engines = ["file", "beanstalkd"] if given.engine == "both" else [given.engine]
    well = [unleash(engine, given.seed, given.jobs) for engine in engines]
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
