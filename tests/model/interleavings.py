"""Every order in which the statements of two workers and their company can meet, on one file.

    Theatre(folder).explore(Scene({"a": ("claim", "settle"), "b": ("claim",)}, jobs=1))

Schedules are tried depth first. What lies behind a point is looked at once: two points are the same
if the file, the clock, and all that each party has seen and been told are. Of every schedule it is
asked: was a job settled twice, handed out twice, lost, or counted wrongly?
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import Any

from pulpo.adapters.sqlite import SQLiteEngine
from pulpo.clock import ManualClock
from pulpo.job import NewJob, Settlement, Verb
from pulpo.queue_url import QueueURL
from tests.model.stepping import Party, Turns

__all__ = ["DEEP", "Scene", "Theatre", "scenes"]

TTR = 5.0
DEAD = 99_999
INSERT = """
INSERT INTO jobs (id, type, queue, priority, state, moment, owner, fence, ttr, body)
VALUES (?, 't', 'q', 1, ?, ?, ?, 1, ?, ?)
"""
ROWS = "SELECT id, state, moment, owner, fence, crashes FROM jobs ORDER BY number"
_Stand = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """What each party does, one thing after another; so many jobs are ready before.

    `dead`: one more job is held by an owner that has died.
    """

    programs: Mapping[str, tuple[str, ...]]
    jobs: int = 1
    dead: bool = False

    def __str__(self) -> str:
        parts = [f"{name}: {' '.join(program)}" for name, program in self.programs.items()]
        return f"{'; '.join(parts)}; {self.jobs} jobs{', one dead owner' * self.dead}"


_THINGS = ("claim", "settle", "touch", "release")
_COMPANY: tuple[tuple[dict[str, tuple[str, ...]], bool], ...] = (
    ({}, False),
    ({"time": ("expire",)}, False),
    ({"time": ("expire", "expire")}, False),
    ({"c": ("put_one",)}, False),
    ({"c": ("put_one",), "time": ("expire",)}, False),
    ({"c": ("claim",)}, True),
    ({"c": ("claim",), "time": ("expire",)}, True),
)


def scenes(most: int) -> Iterator[Scene]:
    """Yield every scene of two workers and their company with so many things done in all.

    Each worker begins with a claim: without one it has nothing to lose.
    """
    programs = [
        ("claim", *rest) for length in range(most - 1) for rest in product(_THINGS, repeat=length)
    ]
    for company, dead in _COMPANY:
        done = sum(map(len, company.values()))
        for a, b in combinations_with_replacement(programs, 2):
            if len(a) + len(b) + done <= most:
                yield Scene({"a": a, "b": b, **company}, dead=dead)


# Five or six things done, chosen for what can meet in them: all such scenes would take hours.
DEEP = (
    Scene({"a": ("claim", "touch", "settle"), "b": ("claim", "settle"), "time": ("expire",)}),
    Scene({"a": ("claim", "touch"), "b": ("claim", "settle"), "time": ("expire", "expire")}),
    Scene({"a": ("claim", "release"), "b": ("claim", "settle", "claim"), "time": ("expire",)}),
    Scene({"a": ("claim", "claim"), "b": ("claim", "settle"), "time": ("expire", "expire")}),
    Scene(
        {
            "a": ("claim", "settle"),
            "b": ("claim", "settle"),
            "c": ("put_one",),
            "time": ("expire",),
        }
    ),
    Scene(
        {"a": ("claim", "claim", "settle"), "c": ("claim", "settle"), "time": ("expire",)},
        dead=True,
    ),
)


class Theatre:
    """A file, its parties, and a clock; closed at the end."""

    def __init__(self, folder: Path) -> None:
        self.schedules = self.steps = 0
        self._stack = ExitStack()
        self._clock = ManualClock()
        self._turns = Turns()
        path = folder / "queue.db"
        url = QueueURL.parse(f"sqlite:///{path}?sync=normal")
        self._engine = SQLiteEngine(url, clock=self._clock)
        self._parties: dict[str, Party] = {"time": Party("time", self._turns)}
        self._names: dict[int, str] = {0: "", DEAD: "dead"}
        self._heir = self._open("heir")
        for name in "abc":
            adapter = self._open(name)
            self._parties[name] = Party(name, self._turns, adapter)
        self._look = sqlite3.connect(path, isolation_level=None)
        self._stack.callback(self._look.close)

    def close(self) -> None:
        """Close every door."""
        self._turns.free = True
        self._stack.close()

    def explore(self, scene: Scene) -> None:
        """Try every schedule of a scene; an assertion that fails names scene and schedule."""
        seen: set[object] = set()
        todo: list[tuple[str, ...]] = [()]
        while todo:
            prefix = todo.pop()
            done: list[str] = []
            self._begin(scene)
            try:
                whole = self._play(scene, prefix, done, seen, todo)
            finally:
                self._turns.free = True
                errors = self._finish(scene)
            where = f"{scene}; schedule {' '.join(done)}"
            assert not errors, f"{where}: {errors}"
            self.schedules += whole
            if whole:
                self._judge(scene, where)

    def _play(
        self,
        scene: Scene,
        prefix: tuple[str, ...],
        done: list[str],
        seen: set[object],
        todo: list[tuple[str, ...]],
    ) -> bool:
        """Follow a prefix, then always the first who may; False where others were there before."""
        while True:
            ready = [name for name in scene.programs if self._parties[name].may()]
            if not ready:
                left = [name for name in scene.programs if self._parties[name].at is not None]
                assert not left, f"{scene}; schedule {' '.join(done)}: {left} wait for ever"
                return True
            stands = self._stand()
            if len(done) < len(prefix):
                chosen = prefix[len(done)]
            else:
                key = self._key(scene, stands)
                if key in seen:
                    return False
                seen.add(key)
                chosen = ready[0]
                todo += [(*done, other) for other in ready[1:]]
            self.steps += 1
            done.append(chosen)
            self._parties[chosen].step(stands)

    def _begin(self, scene: Scene) -> None:
        self._clock.advance(10 * TTR)  # so that everybody looks for the dead again
        self._start = self._clock.monotonic()
        self._turns.free, self._turns.holder = False, None
        self._look.execute("BEGIN IMMEDIATE")
        self._look.execute("DELETE FROM jobs")
        for number in range(scene.jobs):
            self._insert(f"job-{number}", 0, None, 0)
        if scene.dead:
            self._insert("dead-job", 3, self._start + 60 * TTR, DEAD)
            self._look.execute(
                "INSERT OR REPLACE INTO owners (number, name) VALUES (?, 'dead')", (DEAD,)
            )
        self._look.execute("COMMIT")
        self._log: list[tuple[str, str, Any]] = []
        self._put: list[str] = [row[0] for row in self._stand()]
        self._fences = {
            name: party.adapter._trader._fence
            for name, party in self._parties.items()
            if party.adapter is not None
        }
        for name, program in scene.programs.items():
            self._parties[name].start([getattr(self, f"_{thing}") for thing in program])

    def _finish(self, scene: Scene) -> list[str]:
        errors = []
        for name in scene.programs:
            self._parties[name].let_go()
        for name in scene.programs:
            try:
                self._parties[name].finish()
            except Exception as error:
                errors.append(f"{name}: {error!r}")
        return errors

    # What parties do

    def _claim(self, party: Party) -> tuple[str, ...]:
        assert party.adapter is not None
        _, jobs = party.adapter.exchange((), ("q",), limit=1, timeout=0.0)
        for job in jobs:
            party.receipts.append(job)
            self._log.append((party.name, "claim", job))
        return tuple(job.body.decode() for job in jobs)

    def _settle(self, party: Party) -> object:
        return self._settled(party, Verb.DELETE)

    def _release(self, party: Party) -> object:
        return self._settled(party, Verb.RELEASE)

    def _touch(self, party: Party) -> object:
        assert party.adapter is not None
        return tuple(party.adapter.touch(party.receipts[:1]))

    def _put_one(self, party: Party) -> None:
        assert party.adapter is not None
        name = f"new-{len(self._put)}"
        self._put.append(name)
        job = NewJob(id=name, type="t", queue="q", body=name.encode(), priority=1, ttr=TTR)
        assert list(party.adapter.put([job])) == [name]

    def _expire(self, _: Party) -> None:
        self._clock.advance(TTR)

    def _settled(self, party: Party, verb: Verb) -> object:
        assert party.adapter is not None
        if not party.receipts:
            return None
        job = party.receipts.pop(0)
        (answer,), _ = party.adapter.exchange([Settlement(verb, job)], (), limit=0, timeout=0.0)
        self._log.append((party.name, verb.value if answer is True else "lost", job))
        return answer

    # What is seen

    def _stand(self) -> _Stand:
        return tuple(self._look.execute(ROWS).fetchall())

    def _key(self, scene: Scene, stands: _Stand) -> object:
        return (
            self._relative(stands),
            self._clock.monotonic() - self._start,
            tuple(
                (
                    party.at,
                    tuple(party.results),
                    tuple((what, self._relative(then)) for what, then in party.did),
                )
                for party in (self._parties[name] for name in scene.programs)
            ),
        )

    def _relative(self, stands: Any) -> _Stand:
        """Return what stands in the file in words that are the same in every run."""
        rows = []
        for job, state, moment, owner, fence, crashes in stands:
            name = self._names[owner]
            fence = fence - self._fences.get(name, 0) if name else 0
            when = None if moment is None else moment - self._start
            rows.append((job, state, when, name, fence, crashes))
        return tuple(rows)

    def _judge(self, scene: Scene, where: str) -> None:
        claims = [(name, job) for name, what, job in self._log if what == "claim"]
        holds = Counter((name, job.number, job.token) for name, job in claims)
        assert max(holds.values(), default=0) <= 1, f"{where}: one hold twice: {holds}"
        ended = Counter(job.body.decode() for _, what, job in self._log if what == "delete")
        assert max(ended.values(), default=0) <= 1, f"{where}: settled twice: {ended}"
        there = Counter(row[0] for row in self._stand())
        assert there + ended == Counter(self._put), f"{where}: {there} and {ended}"
        expiries = sum(program.count("expire") for program in scene.programs.values())
        releases = sum(what == "release" for _, what, _ in self._log)
        runs = Counter(job.body.decode() for _, job in claims)
        most = 1 + expiries + releases
        assert max(runs.values(), default=0) <= most, f"{where}: too many runs: {runs}"
        for _, job in claims:
            crashes = job.body == b"dead-job"
            assert crashes <= (job.crashes or 0) <= crashes + expiries, f"{where}: {job}"
        self._judge_runs(where)
        self._inherit(where, there)

    def _judge_runs(self, where: str) -> None:
        """Only who has a job settles it, and nobody is handed what it has."""
        holder: dict[str, tuple[str, object]] = {}
        for name, what, job in self._log:  # in the order of their commits
            body, mine = job.body.decode(), (name, job.token)
            had = holder.get(body)
            if what == "claim":
                assert had is None or had[0] != name, f"{where}: {name} runs {body!r} twice"
                holder[body] = mine
            elif what == "lost":
                assert had != mine, f"{where}: {name} had {body!r}, and was told that it has not"
            else:
                assert had == mine, f"{where}: {name} settled {body!r}, which {had} had"
                del holder[body]

    def _inherit(self, where: str, there: Counter[str]) -> None:
        """What is left is there for whoever comes next, once every lease is over."""
        self._clock.advance(100 * TTR)
        _, jobs = self._heir.exchange((), ("q",), limit=10, timeout=0.0)
        found = Counter(job.body.decode() for job in jobs)
        assert found == there, f"{where}: {found} can be had of {there}"
        done = [Settlement(Verb.DELETE, job) for job in jobs]
        answers, _ = self._heir.exchange(done, (), limit=0, timeout=0.0)
        assert all(answer is True for answer in answers), where

    def _insert(self, name: str, state: int, moment: float | None, owner: int) -> None:
        values = (name, state, moment, owner, TTR, name.encode())
        self._look.execute(INSERT, values)

    def _open(self, name: str) -> Any:
        adapter = self._engine.adapter()
        self._stack.callback(adapter.close)
        adapter.exchange((), ("q",), limit=1, timeout=0.0)
        number = adapter._trader.membership.enter().number
        self._names[number] = name
        return adapter
