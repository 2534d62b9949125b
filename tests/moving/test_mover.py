"""A move between two queues in this process: what is where, before and after, and in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pulpo.adapters import open_engine
from pulpo.clock import ManualClock
from pulpo.codec import Codec
from pulpo.errors import QueueError, QueueUnavailableError
from pulpo.identity import new_id
from pulpo.job import Existing, Guard, JobId, JobState, NewJob, Settlement, Verb
from pulpo.moving import Ends, Journal, Mover, OtherMoveError, Plan
from pulpo.side import side_of

SOON, LATER = 5.0, 3_600.0


@dataclass
class Scene:
    """Two queue files with one clock, and their doors."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.urls = [f"sqlite:///{self.folder}/{name}.db" for name in ("old", "new")]
        self.engines = [open_engine(url, clock=self.clock) for url in self.urls]
        old, new = self.engines
        self.ends = Ends(old.adapter(), old.admin(), new.adapter(), new.admin())

    def close(self) -> None:
        for door in (
            *(self.ends.source, self.ends.source_admin),
            *(self.ends.target, self.ends.target_admin),
        ):
            door.close()

    def journal(self) -> Journal:
        store = side_of(self.engines[0])
        assert store is not None
        return Journal(store, *self.urls, self.clock)

    def put(self, **fields: Any) -> NewJob:
        job_id = new_id()
        body = Codec().encode({"type": "t", "id": job_id}, None)
        usual = {"id": job_id, "type": "t", "queue": "default", "body": body}
        job = NewJob(**{**usual, **fields})
        assert self.ends.source.put([job]) == [job.id]
        self.last = job
        return job

    def buried(self) -> NewJob:
        job = self.put(priority=0)
        _, (reserved,) = self.ends.source.exchange([], ["default"], limit=1, timeout=1)
        bury = Settlement(Verb.BURY, reserved, rewritten=job)
        assert self.ends.source.exchange([bury], [], limit=0, timeout=0)[0] == [True]
        return job

    def mover(self, journal: Journal, plan: Plan | None = None, **options: Any) -> Mover:
        def pause(seconds: float) -> None:
            self.slept.append(seconds)
            self.clock.advance(seconds)

        return Mover(self.ends, journal, plan or Plan(), self.clock, pause=pause, **options)

    def move(self, plan: Plan | None = None, **options: Any) -> tuple[Mover, bool]:
        journal = self.journal()
        mover, finished = self.mover(journal, plan, **options), False
        try:
            finished = mover.run()
        finally:
            journal.close(finished=finished)
        return mover, finished

    def states(self, *, at: str = "new") -> dict[JobId, JobState]:
        admin = self.ends.target_admin if at == "new" else self.ends.source_admin
        return {job.id: job.state for job in admin.list(limit=10_000)}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    found = Scene(tmp_path)
    yield found
    found.close()


def test_every_job_arrives_in_the_state_it_had(scene: Scene) -> None:
    buried, ready, late = scene.buried(), scene.put(), scene.put(delay=LATER)
    soon = scene.put(delay=SOON)

    mover, finished = scene.move()

    assert finished
    assert mover.moved.count == 4
    assert scene.states(at="old") == {}
    assert scene.states() == {
        buried.id: JobState.BURIED,
        ready.id: JobState.READY,
        late.id: JobState.DELAYED,
        soon.id: JobState.READY,  # it was waited for, and moved when it was ready
    }


def test_the_order_of_jobs_and_their_queues_stay(scene: Scene) -> None:
    jobs = [scene.put(priority=9), scene.put(priority=9), scene.put(priority=1, queue="mail")]

    scene.move()

    _, reserved = scene.ends.target.exchange([], ["default", "mail"], limit=9, timeout=0)
    assert [job.id for job in reserved] == [jobs[2].id, jobs[0].id, jobs[1].id]


def test_only_the_named_queues_are_moved(scene: Scene) -> None:
    kept, moved = scene.put(queue="mail"), scene.put(queue="image")

    scene.move(Plan(queues=("image",)))

    assert (list(scene.states(at="old")), list(scene.states())) == ([kept.id], [moved.id])


def test_a_paused_queue_is_paused_over_there_before_anything_of_it_arrives(scene: Scene) -> None:
    job = scene.put()
    scene.ends.source_admin.pause("default", 600)

    scene.move()

    assert scene.states() == {job.id: JobState.READY}
    found = scene.ends.target_admin.stats("default")
    assert (found.paused, found.pause_left) == (True, 600)


def test_a_job_that_runs_is_left_and_counted(scene: Scene) -> None:
    scene.put()
    other = scene.engines[0].adapter()
    _, (running,) = other.exchange([], ["default"], limit=1, timeout=1)

    mover, finished = scene.move()

    assert (finished, mover.moved.count, mover.moved.running) == (True, 0, 1)
    assert other.exchange([Settlement(Verb.DELETE, running)], [], limit=0, timeout=0)[0] == [True]
    other.close()


def test_with_wait_it_goes_on_until_nothing_runs(scene: Scene) -> None:
    job = scene.put()
    other = scene.engines[0].adapter()
    _, (running,) = other.exchange([], ["default"], limit=1, timeout=1)
    journal = scene.journal()

    def pause(_: float) -> None:
        other.exchange([Settlement(Verb.RELEASE, running)], [], limit=0, timeout=0)

    mover = Mover(scene.ends, journal, Plan(wait=True), scene.clock, pause=pause)
    assert mover.run()

    journal.close(finished=True)
    other.close()
    assert scene.states() == {job.id: JobState.READY}


def test_the_rate_is_kept_by_sleeping(scene: Scene) -> None:
    for _ in range(40):
        scene.put()
    began = scene.clock.monotonic()

    scene.move(Plan(rate=10))

    assert scene.clock.monotonic() - began == pytest.approx(4.0, abs=0.01)


def test_what_the_target_refuses_stays_and_is_not_asked_for_again(scene: Scene) -> None:
    big, small = scene.put(body=b"x" * 1_000), scene.put()
    late = scene.put(body=b"x" * 1_000, delay=LATER)
    scene.close()
    scene.engines[1] = open_engine(f"{scene.urls[1]}?max_job_size=900", clock=scene.clock)
    old, new = scene.engines
    scene.ends = Ends(old.adapter(), old.admin(), new.adapter(), new.admin())

    mover, finished = scene.move()

    assert (finished, mover.moved.count, mover.moved.refused) == (True, 1, 2)
    assert "takes 900" in min(mover.moved.why)
    assert list(scene.states()) == [small.id]
    assert scene.states(at="old") == {big.id: JobState.READY, late.id: JobState.DELAYED}


def test_a_stopped_move_leaves_every_job_somewhere_once_and_the_next_ends_it(scene: Scene) -> None:
    ids = {scene.put().id for _ in range(700)}
    asked = iter([False, False, True])

    mover, finished = scene.move(is_stopping=lambda: next(asked, True))

    assert (finished, mover.moved.doubtful) == (False, 0)
    here, there = set(scene.states(at="old")), set(scene.states())
    assert here
    assert there
    assert (here | there, here & there) == (ids, set())
    mover, finished = scene.move()
    assert (finished, mover.moved.count, mover.moved.doubtful) == (True, 700, 0)
    assert set(scene.states()) == ids


# A kill between any two steps


class Killed(BaseException):
    """What no handler of an error catches."""


class Dying:
    """A door that dies at its n-th call of a verb, before or after the call is made."""

    def __init__(self, door: Any, verb: str, at: int, *, after: bool) -> None:
        self._door, self._verb, self._at, self._after = door, verb, at, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._door, name)
        return found if name != self._verb else self._dying(found)

    def _dying(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def dying(*given: Any, **named: Any) -> Any:
            self._at -= 1
            if self._at == 0 and not self._after:
                raise Killed
            answer = call(*given, **named)
            if self._at == 0:
                raise Killed
            return answer

        return dying


STEPS = [
    (door, verb, at, after)
    for door, verb, most in (
        ("source", "exchange", 2),
        ("source_admin", "change", 2),
        ("target", "put", 3),
        ("target", "exchange", 4),
    )
    for at in range(1, most + 1)
    for after in (False, True)
]


def killed_at(scene: Scene, door: str, verb: str, at: int, *, after: bool) -> bool:
    """Move until that call, then let go of everything as a killed process does."""
    old, new = scene.engines
    doors: dict[str, Any] = {
        "source": old.adapter(),
        "source_admin": old.admin(),
        "target": new.adapter(),
        "target_admin": new.admin(),
    }
    ends = Ends(**{**doors, door: Dying(doors[door], verb, at, after=after)})
    journal = scene.journal()
    mover = Mover(ends, journal, Plan(), scene.clock, pause=scene.clock.advance)
    try:
        mover.run()
    except Killed:
        return True
    finally:
        journal.close(finished=False)
        for each in doors.values():
            each.close()
    return False


@pytest.mark.parametrize(("door", "verb", "at", "after"), STEPS)
def test_after_a_kill_at_any_step_the_next_move_leaves_each_job_once(
    scene: Scene, door: str, verb: str, at: int, after: bool
) -> None:
    buried = {scene.buried().id: JobState.BURIED for _ in range(2)}
    late = {scene.put(delay=LATER).id: JobState.DELAYED for _ in range(2)}
    ready = {scene.put().id: JobState.READY for _ in range(2)}
    assert killed_at(scene, door, verb, at, after=after)

    mover, finished = scene.move()

    assert finished
    assert scene.states(at="old") == {}
    found = scene.ends.target_admin.list(limit=100)
    assert {job.id: job.state for job in found} == {**buried, **late, **ready}
    assert len(found) == 6  # none twice: nobody works here
    assert mover.moved.doubtful <= 2


def test_what_ran_over_there_before_the_next_move_is_counted_as_doubtful(scene: Scene) -> None:
    ids = {scene.put().id for _ in range(3)}
    assert killed_at(scene, "target", "put", 1, after=True)
    _, ran = scene.ends.target.exchange([], ["default"], limit=1, timeout=0)
    scene.ends.target.exchange([Settlement(Verb.DELETE, ran[0])], [], limit=0, timeout=0)

    mover, _ = scene.move()

    assert set(scene.states()) == ids  # once more: nobody can tell that it ran
    assert mover.moved.doubtful == 3


def test_two_moves_between_the_same_queues_are_one_too_many(scene: Scene) -> None:
    first = scene.journal()
    first.open(scene.mover(first).moved)
    second = scene.journal()

    with pytest.raises(OtherMoveError, match="another process of this host"):
        scene.mover(second).run()

    first.close(finished=True)
    second.close(finished=False)


def test_an_error_of_the_target_leaves_all_at_the_source_and_is_raised(scene: Scene) -> None:
    job = scene.put()

    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(scene.ends.target, name)

        def put(self, jobs: Sequence[NewJob]) -> Sequence[JobId | QueueError]:
            raise QueueUnavailableError("out of reach")

    journal = scene.journal()
    ends = Ends(scene.ends.source, scene.ends.source_admin, Full(), scene.ends.target_admin)
    mover = Mover(ends, journal, Plan(), scene.clock, pause=scene.clock.advance)
    with pytest.raises(QueueUnavailableError):
        mover.run()

    journal.close(finished=False)
    scene.ends.source.close()
    assert scene.states(at="old") == {job.id: JobState.READY}


def test_a_job_whose_key_somebody_holds_over_there_stays_and_is_told(scene: Scene) -> None:
    guards = [Guard("sync:7", "done")]
    told = Codec().encode({"type": "t", "id": "old", "guards": [["sync:7", "done"]]}, None)
    here = scene.put(id="old", body=told, guards=guards)
    assert scene.ends.target.put([replace(here, id="new")]) == ["new"]

    mover, finished = scene.move()

    assert (finished, mover.moved.count, mover.moved.refused) == (True, 0, 1)
    assert "'old' is a second 'new'" in min(mover.moved.why)
    assert scene.states(at="old") == {"old": JobState.READY}
    assert scene.states() == {"new": JobState.READY}


def test_a_key_moves_with_its_job(scene: Scene) -> None:
    told = Codec().encode({"type": "t", "id": "old", "guards": [["sync:7", "done"]]}, None)
    scene.put(id="old", body=told, guards=[Guard("sync:7", "done")])

    scene.move()

    (answer,) = scene.ends.target.put([replace(scene.last, id="new")])
    assert answer == Existing("old", "default")
