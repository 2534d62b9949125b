"""What runs beside the loop of a worker: begun before it, ended after it, waited for in a burst."""

from __future__ import annotations

import pulpo
from pulpo.worker.attendants import attend, dismiss


class Guest:
    """Tells what it is told; done after some looks."""

    def __init__(self, told: list[str], looks: int = 0) -> None:
        self._told = told
        self._looks = looks

    def attend(self) -> Guest:
        self._told.append("begun")
        return self

    def wait(self, timeout: float) -> bool:
        self._looks -= 1
        return self._looks < 0

    def stop(self, patience: float) -> None:
        self._told.append(f"stopped within {patience:g}")


def test_all_of_them_begin_and_end() -> None:
    told: list[str] = []
    begun = attend([Guest(told), Guest(told)], burst=False)
    dismiss(begun)

    assert told == ["begun", "begun", "stopped within 1", "stopped within 1"]


def test_a_burst_waits_for_them_and_beats_meanwhile() -> None:
    told: list[str] = []
    attend([Guest(told, looks=3)], burst=True, beat=lambda: told.append("beat"))

    assert told == ["begun", "beat", "beat", "beat"]


def test_a_worker_has_the_guests_of_its_app() -> None:
    told: list[str] = []
    with pulpo.Pulpo("memory://") as app:
        app.attendants.append(Guest(told))
        app.job(type="note")(_note_into(told))
        app.publish(pulpo.Message(type="note"))
        app.run_worker(burst=True, side=False)

    assert told == ["begun", "job", "stopped within 1"]


def _note_into(told: list[str]):  # type: ignore[no-untyped-def]
    def note() -> None:
        told.append("job")

    return note
