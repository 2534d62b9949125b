"""U1: unique jobs are published by many at once, while producers and workers are killed.

Of each key there is one live job at most: from the first run of one job to the end of its last,
no other job of its key runs. No call is in vain: some run of its key ends after it began. And no
key is stuck in the end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import pulpo
from tests.chaos.ending import leaves_nothing
from tests.chaos.row import DURABLE, Row
from tests.chaos.trial import Trial
from tests.lab.ledger import Entry
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, environment

MODULE = "tests.lab.unique"
# Long enough that many a call meets a job which waits or runs.
SECONDS = 0.01
WORKERS = ("--processes", "2", "--threads", "4", "--grace", "2s")
# A job that is done is there until the queue was told so; so long that may take, in seconds.
TO_SETTLE = 1.0
PATIENCE = 7_200.0


def act(trial: Trial) -> None:
    """Publish as the row says, and kill meanwhile."""
    query = f"?side=sqlite:///{trial.folder}/side.db" if trial.on_beanstalkd else ""
    story = _Story(trial, trial.place(query=query))
    story.go_on()
    _judge(trial, story.end())


@dataclass
class _Lives:
    """What the ledger says of one key: its calls, and when each of its jobs began and ended."""

    calls: list[Entry] = field(default_factory=list)
    begun: dict[str, float] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    stands_for: dict[str, str] = field(default_factory=dict)


class _Story:
    """Producers and workers that are always there again."""

    def __init__(self, trial: Trial, place: Place) -> None:
        self._trial = trial
        self._place = place
        self._chosen = trial.chosen
        self._workers = [self._worker(), self._worker()]
        self._producers = [self._producer() for _ in range(trial.figures["producers"])]

    def go_on(self) -> None:
        """Strike so often as the row says, spread over all publishes."""
        figures, ledger = self._trial.figures, self._place.ledger
        deadline = time.monotonic() + PATIENCE
        strikes = 0
        while (count := ledger.count("attempted")) < figures["publishes"]:
            assert time.monotonic() < deadline, f"only {count} publishes"
            self._replace_producers()
            if count * figures["kills"] > strikes * figures["publishes"]:
                strikes += 1
                self._strike()
            time.sleep(0.02)

    def end(self) -> dict[int, _Lives]:
        """Let what was begun come to its end, ask for each key once more, and read the ledger."""
        for producer in self._producers:
            producer.kill()
            producer.wait()
        self._place.wait_until_empty(patience=300)
        codes = [worker.ready().stop(timeout=60) for worker in self._workers]
        self._trial.must(not any(codes), f"workers ended with {codes}")
        self._trial.must(not self._place.stats()["buried"], "nothing is buried")
        lives: dict[int, _Lives] = defaultdict(_Lives)
        ledger = self._place.ledger
        for entry in ledger.read("accepted"):
            lives[entry.facts["key"]].calls.append(entry)
        for entry in ledger.read("begun"):
            lives[entry.facts["key"]].begun.setdefault(entry.id, entry.at)
        for entry in ledger.read("done"):
            lives[entry.facts["key"]].done[entry.id] = entry.at
        self._note_duplicates(lives)
        self._ask_for_each_key()
        leaves_nothing(self._trial, self._place)
        return lives

    def _note_duplicates(self, lives: dict[int, _Lives]) -> None:
        """Read which jobs did not run since another one stood for them: only beside a beanstalkd.

        Their publisher was so slow that somebody took their key before they were put.
        """
        for log in sorted(self._place.folder.glob("worker-*.log")):
            for line in log.read_text().splitlines():
                if '"event": "duplicate"' in line and line.endswith("}"):
                    said = json.loads(line)
                    self._trial.count("duplicates")
                    holder = said["reason"].split()[1]
                    for each in lives.values():
                        each.stands_for.update({said["id"]: holder} if holder in each.done else {})

    def _ask_for_each_key(self) -> None:
        """No key may be stuck: everything is done, so each takes a job again."""
        keys = range(self._trial.figures["keys"])
        with self._place.app() as app:

            @app.job(type="ledger.once", unique=pulpo.Unique(by="key"))
            def once(key: int) -> None: ...

            found = once.delay_many([(key,) for key in keys])
        stuck = [key for key, told in zip(keys, found, strict=True) if told.existing]
        self._trial.must(not stuck, f"keys are stuck: {stuck[:5]}")
        with self._place.worker("--burst", "--processes", "1", module=MODULE) as last:
            self._trial.must(last.wait(120) == 0, "a burst ends well")
        self._trial.must(not self._place.waiting(), "nothing is left")

    def _strike(self) -> None:
        spot = self._chosen.randrange(2)
        what = self._chosen.choice(("producer", "producer", "child", "worker"))
        if what == "producer":
            self._chosen.choice(self._producers).kill()
        elif what == "child":
            if not self._workers[spot].strike(self._chosen):
                return
        else:
            self._workers[spot].kill()
            self._workers[spot] = self._worker()
        self._trial.count(what)

    def _replace_producers(self) -> None:
        for spot, producer in enumerate(self._producers):
            if producer.poll() is not None:
                code = producer.returncode
                self._trial.must(code in (0, -9), f"a producer ended with {code}")
                self._producers[spot] = self._producer()

    def _worker(self) -> WorkerProcess:
        return self._trial.stack.enter_context(self._place.worker(*WORKERS, module=MODULE))

    def _producer(self) -> subprocess.Popen[bytes]:
        figures = self._trial.figures
        told = {"keys": figures["keys"], "seed": self._chosen.randrange(10**9), "seconds": SECONDS}
        count = max(figures["publishes"] // figures["producers"], 1)
        producer = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(count), *(f"--{k}={v}" for k, v in told.items())],
            cwd=self._place.folder,
            env=environment(self._place.url, self._place.ledger.folder),
        )
        self._trial.stack.callback(producer.kill)
        return producer


def _judge(trial: Trial, keys: dict[int, _Lives]) -> None:
    for key, lives in keys.items():
        trial.count("calls", len(lives.calls))
        trial.count("jobs", len(lives.begun))
        _judge_runs(trial, key, lives)
        _judge_calls(trial, key, lives)
    trial.must(trial.counted["calls"] > trial.counted["jobs"], "some calls met a job")


def _judge_runs(trial: Trial, key: int, lives: _Lives) -> None:
    """The lives of two jobs of a key do not touch."""
    order = sorted(lives.begun, key=lambda job: lives.begun[job])
    for job, following in pairwise(order):
        ended = lives.done.get(job)
        apart = ended is not None and ended < lives.begun[following]
        trial.must(apart, f"two live jobs of key {key}: {job} and {following}")


def _judge_calls(trial: Trial, key: int, lives: _Lives) -> None:
    """What a call was told of is done; and something of its key was, after it had begun."""
    lost = [c.id for c in lives.calls if c.id not in lives.done and c.id not in lives.stands_for]
    trial.must(not lost, f"a job of key {key} was accepted and lost: {lost[:2]}")
    last = max((call.facts["since"] for call in lives.calls), default=0.0)
    late = max(lives.done.values(), default=0.0) + TO_SETTLE
    trial.must(late >= last, f"a call of key {key} was in vain: told at {last}, done at {late}")
    new = sorted((call for call in lives.calls if not call.facts["existing"]), key=lambda c: c.at)
    for first, second in pairwise(new):
        if first.at <= second.facts["since"] and first.id in lives.done:
            gone = lives.done[first.id] <= second.at
            trial.must(gone, f"key {key} was given to {second.id} while {first.id} was there")


ROWS = [
    Row(
        name="U1",
        says="kill -9 of producers and workers of unique jobs",
        passes="never two live jobs of one key, no call in vain, no key stuck",
        act=act,
        engines=DURABLE,
        short={"publishes": 3_000, "keys": 60, "producers": 4, "kills": 12},
        full={"publishes": 100_000, "keys": 1_000, "producers": 8, "kills": 400},
    )
]
