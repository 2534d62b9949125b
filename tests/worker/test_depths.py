"""Counting what waits: in a thread, through an operator's door, and again after an outage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import pulpo
from pulpo.adapter import QueueAdmin
from pulpo.clock import SystemClock
from pulpo.worker import depths as module
from pulpo.worker.depths import Depths
from tests.worker.stage import until


class Counted:
    """The engine of a queue in memory, which may be away, and how often it was looked at."""

    def __init__(self, app: pulpo.Pulpo) -> None:
        self.app = app
        self.error: Exception | None = None
        self.doors = 0

    def admin(self) -> QueueAdmin:
        if self.error is not None:
            raise self.error
        self.doors += 1
        return self.app.engine.admin()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Counted:
    monkeypatch.setattr(module, "PAUSE", 0.01)
    return Counted(pulpo.Pulpo("memory://"))


@pytest.fixture
def depths(engine: Counted) -> Iterator[Depths]:
    engine_: Any = engine
    found = Depths(engine_, ["default", "mail"], SystemClock())
    yield found
    found.stop()
    assert not found._thread.is_alive()


def test_jobs_are_counted_by_queue_and_state(engine: Counted, depths: Depths) -> None:
    engine.app.publish(pulpo.Message(type="t", queue="mail"))
    engine.app.publish(pulpo.Message(type="t", delay="1h"))
    depths.start()
    found: list[dict[str, Any]] = []
    until(lambda: found.append(depths.take()) or found[-1], "a count")

    nothing = {"ready": 0, "delayed": 0, "reserved": 0, "buried": 0}
    assert found[-1] == {
        "depths": {"default": {**nothing, "delayed": 1}, "mail": {**nothing, "ready": 1}}
    }


def test_it_counts_again_and_again_through_one_door(engine: Counted, depths: Depths) -> None:
    depths.start()
    for _ in range(3):
        until(depths.take, "another count")

    assert engine.doors == 1


@pytest.mark.parametrize("error", [pulpo.QueueUnavailableError("away"), LookupError("a bug")])
def test_there_are_no_numbers_while_the_queue_is_away(
    engine: Counted, depths: Depths, error: Exception
) -> None:
    engine.error = error
    depths.start()
    until(lambda: depths.take() == {"depths": {}}, "no number")
    engine.error = None

    until(lambda: depths.take().get("depths"), "numbers again")


def test_what_takes_long_is_done_more_seldom(
    engine: Counted, depths: Depths, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(depths._stopped, "wait", pauses.append)

    depths._rest(0.0)
    depths._rest(2.0)
    monkeypatch.undo()
    depths.start()

    assert pauses == [0.01, 40.0]
