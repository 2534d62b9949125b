"""A4: producers, workers and server die at once and are started again in any order.

In between, one of them alone is killed, stopped or frozen.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable

from tests.chaos.ending import end_well
from tests.chaos.row import ALL, DURABLE, Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess

# A job takes longer than what a process would take ahead: it holds no more than its threads.
SECONDS, THREADS, PROCESSES = 0.011, 8, 2
OPTIONS = ("--processes", str(PROCESSES), "--threads", str(THREADS), "--grace", "2s")
# How many processes' jobs one fault may start a second time, by its name.
WEIGHTS = {"all": 4, "child": 1, "freeze": 1, "worker": 2, "server": 4, "stop": 0, "producer": 0}
BATCHES = (1, 1, 7)
# A producer publishes so many jobs, unless it is killed before.
JOBS = 400


def act(trial: Trial) -> None:
    """Let it all die so often as the row says."""
    story = _Story(trial)
    for _ in range(trial.figures["times"]):
        story.go_on(trial.chosen.uniform(0.2, 0.8))
        story.strike_one()
        story.go_on(trial.chosen.uniform(0.2, 0.6))
        story.strike_all()
    story.end()


class _Story:
    """Two producers and two workers that are always there again."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._chosen = trial.chosen
        self._place: Place = trial.place()
        self._begun = 0
        self._workers = [self._worker(), self._worker()]
        self._producers = [self._producer(), self._producer()]

    def go_on(self, seconds: float) -> None:
        """Let them work; who has published everything is replaced."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for spot, producer in enumerate(self._producers):
                if producer.poll() is not None:
                    self._end_producer(producer)
                    self._producers[spot] = self._producer()
            time.sleep(0.02)

    def strike_all(self) -> None:
        """Kill everybody in the middle of their work; start them in any order, with pauses."""
        self._place.wait_for("begun", self._begun + 1, patience=60)
        for process in (*self._workers, *self._producers):
            process.kill()
        starts: list[Callable[[], None]] = [self._start_workers, self._start_producers]
        if self._place.server is not None:
            self._place.server.kill()
            starts.append(self._start_server)
        self._trial.count("all")
        self._begun = self._place.ledger.count("begun")
        self._chosen.shuffle(starts)
        for start in starts:
            start()
            time.sleep(self._chosen.uniform(0, 0.2))

    def strike_one(self) -> None:
        """Let something else happen."""
        faults = {
            "child": lambda worker: worker.strike(self._chosen),
            # Its supervisor misses its beat and kills it.
            "freeze": lambda worker: worker.strike(self._chosen, signal.SIGSTOP),
            "worker": self._kill_worker,
            "stop": self._stop_worker,
            "producer": self._kill_producer,
            "server": self._restart_server,
        }
        names = [name for name in faults if name != "server" or self._place.server]
        name = self._chosen.choice(names)
        spot = self._chosen.randrange(2)
        if faults[name](self._workers[spot]):
            self._trial.count(name)
        if not self._workers[spot].runs():
            self._workers[spot] = self._worker()

    def end(self) -> None:
        """Let producers and workers come to their ends, and compare."""
        for producer in self._producers:
            self._end_producer(producer)
        end_well(self._trial, self._place, self._workers, patience=300)
        faults = sum(WEIGHTS[name] * self._trial.counted[name] for name in WEIGHTS)
        # Whatever dies may leave each of two producers in doubt about its last batch.
        doubts = 2 * max(BATCHES) * (self._trial.counted["all"] + self._trial.counted["server"])
        self._trial.audit(self._place, doubled=faults * (THREADS + 1) + doubts)

    def _worker(self) -> WorkerProcess:
        return self._trial.stack.enter_context(self._place.worker(*OPTIONS))

    def _producer(self) -> subprocess.Popen[str]:
        batch = self._chosen.choice(BATCHES)
        options = (f"--seconds={SECONDS}", f"--batch={batch}", "--pause=0.004")
        (producer,) = self._place.produce(1, JOBS, *options)
        self._trial.stack.callback(producer.kill)
        return producer

    def _start_workers(self) -> None:
        self._workers = [self._worker(), self._worker()]

    def _start_server(self) -> None:
        assert self._place.server is not None
        self._place.server.start()

    def _start_producers(self) -> None:
        for producer in self._producers:
            self._end_producer(producer)
        self._producers = [self._producer(), self._producer()]

    def _end_producer(self, producer: subprocess.Popen[str]) -> None:
        producer.communicate(timeout=120)
        code = producer.returncode
        self._trial.must(code in (0, -signal.SIGKILL), f"a producer ended with {code}")

    def _kill_worker(self, worker: WorkerProcess) -> bool:
        worker.kill()
        return True

    def _stop_worker(self, worker: WorkerProcess) -> bool:
        if not worker.said("started"):  # before that, a signal ends any program
            return False
        code = worker.stop(timeout=30)
        self._trial.must(code == 0, f"SIGTERM was answered by exit code {code}")
        return True

    def _kill_producer(self, worker: WorkerProcess) -> bool:
        del worker
        self._chosen.choice(self._producers).kill()
        return True

    def _restart_server(self, worker: WorkerProcess) -> bool:
        del worker
        assert self._place.server is not None
        self._place.server.restart()
        return True


ROWS = [
    Row(
        name="A4",
        says="kill -9 of everybody at once",
        passes="0 lost, 0 buried, 0 orphans, second runs at most kills x slots",
        act=act,
        engines=ALL,
        short_on=DURABLE,
        short={"times": 4},
        full={"times": 200},
    )
]
