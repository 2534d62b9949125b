"""The stepped workers find what is wrong: statements with a bug each, and the order that shows it.

The sound statements are stepped by the row J2 of the chaos programme.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pulpo.adapters.sqlite import statements as sql
from pulpo.adapters.sqlite import trading
from pulpo.adapters.sqlite.claiming import claim, look
from pulpo.adapters.sqlite.rows import Candidate, jobs_of
from pulpo.adapters.sqlite.upkeep import Upkeep
from tests.model.interleavings import Scene, Theatre, scenes

BOTH_SETTLE = Scene(
    {"a": ("claim", "settle"), "b": ("claim", "settle"), "time": ("expire",)}, jobs=1
)


@pytest.fixture
def theatre(tmp_path: Path) -> Iterator[Theatre]:
    theatre = Theatre(tmp_path / "theatre")
    yield theatre
    theatre.close()


def test_every_order_is_tried_once(theatre: Theatre) -> None:
    theatre.explore(Scene({"time": ("expire", "expire"), "c": ("put_one",)}, jobs=0))

    # A put stops at its lock and at its commit, the clock at each of its two moves. Whether the
    # clock moves before or after a lock, or a commit, is all that can differ.
    assert theatre.schedules >= 1
    assert theatre.steps >= 4 * theatre.schedules


def test_there_are_scenes_of_every_kind() -> None:
    found = list(scenes(4))

    assert len(set(map(str, found))) == len(found)
    things = {thing for s in found for program in s.programs.values() for thing in program}
    assert things == {"claim", "settle", "touch", "release", "expire", "put_one"}
    assert any(scene.dead for scene in found)


def test_a_settlement_without_a_fence_is_found(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose = "DELETE FROM jobs WHERE number = ? AND ? IS NOT NULL AND ? IS NOT NULL"
    monkeypatch.setattr(sql, "DELETE", loose)

    with pytest.raises(AssertionError, match=r"which .* had"):
        theatre.explore(BOTH_SETTLE)


def test_jobs_that_are_chosen_before_the_lock_are_found(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: dict[int, list[Candidate]] = {}

    def look_and_choose(connection, upkeep, queues, me, now):  # type: ignore[no-untyped-def]
        chosen[me] = connection.execute(sql.candidates(1), ("q", 1)).fetchall()
        return look(connection, upkeep, queues, me, now)

    def claim_what_was_chosen(connection, ready, upkeep, queues, **how):  # type: ignore[no-untyped-def]
        rows = chosen.pop(how["owner"], [])
        if not rows:
            return claim(connection, ready, upkeep, queues, **how)
        values = [(how["now"].boot + r[3], how["owner"], how["fence"], r[0]) for r in rows]
        connection.executemany(sql.CLAIM, values)
        return jobs_of(rows, how["fence"])

    monkeypatch.setattr(trading, "look", look_and_choose)
    monkeypatch.setattr(trading, "claim", claim_what_was_chosen)

    with pytest.raises(AssertionError, match="too many runs"):
        theatre.explore(Scene({"a": ("claim",), "b": ("claim",)}, jobs=1))


def test_a_dead_owner_that_is_counted_twice_is_found(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_back = Upkeep.take_back

    def twice(self: Upkeep, connection, ready, dead) -> None:  # type: ignore[no-untyped-def]
        dead = list(dead)
        take_back(self, connection, ready, dead)
        if dead:
            connection.execute("UPDATE jobs SET crashes = crashes + 1")

    monkeypatch.setattr(Upkeep, "take_back", twice)

    with pytest.raises(AssertionError, match="dead-job"):
        theatre.explore(Scene({"a": ("claim",), "b": ("claim",)}, jobs=0, dead=True))


def test_a_lease_that_takes_its_job_with_it_is_found(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "LEASE_OVER", "DELETE FROM jobs WHERE number = ?")

    with pytest.raises(AssertionError, match="schedule"):
        theatre.explore(BOTH_SETTLE)
