"""A date is a date whosever clock is wrong: on beanstalkd, whose delays go by its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pulpo
from pulpo.clock import SystemClock
from tests.lab.place import Place
from tests.lab.processes import until

TASKS = """
import time, pulpo
from tests.lab.tasks import LEDGER

@pulpo.job(type="note")
def note():
    run = pulpo.current_job()
    LEDGER.note("done", run.id, wall=time.time(), attempt=run.attempt)
"""


class FastClock(SystemClock):
    """A clock some seconds ahead of everybody else's."""

    def __init__(self, ahead: float) -> None:
        self._ahead = ahead

    def wall(self) -> float:  # type: ignore[override]  # a function of the module there
        return time.time() + self._ahead


def published(place: Place, *, seconds: float) -> str:
    """Publish for a date, by a clock that has reached it already; return the id."""
    date = datetime.now(UTC) + timedelta(seconds=seconds)
    with pulpo.Pulpo(place.url, clock=FastClock(seconds)) as app:
        return app.publish(pulpo.Message(type="note", at=date)).id


def test_a_job_that_its_queue_hands_out_before_its_date_waits_for_it_unspent(
    beanstalkd_place: Place,
) -> None:
    place = beanstalkd_place
    (place.folder / "shop.py").write_text(TASKS)
    with place.worker("--processes", "1", module="shop") as worker:
        worker.ready()
        asked = time.time()
        job_id = published(place, seconds=5)
        until(
            lambda: [(job["id"], job["state"]) for job in place.waiting()] == [(job_id, "delayed")],
            "the job is put back",
        )
        place.wait_for("done", 1, patience=20)
        (said,) = worker.said("snoozed")
        assert worker.stop() == 0

    (entry,) = place.ledger.read("done")
    assert 3 <= entry.facts["wall"] - asked <= 8
    assert (entry.id, entry.facts["attempt"]) == (job_id, 1)
    assert "before its date" in said["reason"]


def test_a_job_that_an_operator_kicks_does_not_wait_for_its_date(beanstalkd_place: Place) -> None:
    place = beanstalkd_place
    (place.folder / "shop.py").write_text(TASKS)
    date = datetime.now(UTC) + timedelta(hours=1)
    with place.app() as app:
        job_id = app.publish(pulpo.Message(type="note", at=date)).id

    with place.worker("--processes", "1", module="shop") as worker:
        worker.ready()
        assert place.pulpo("jobs", "kick", job_id).code == 0
        place.wait_for("done", 1)
        assert worker.said("snoozed") == []
        assert worker.stop() == 0
