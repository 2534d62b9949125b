"""The page of schedules, and its three acts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pulpo import Pulpo
from pulpo.clock import ManualClock
from pulpo.job import JobState
from pulpo.side import side_of
from pulpo.telling.schedules import TickOutcome, read_schedules, tell_outcomes
from tests.dashboard.caller import Caller
from tests.dashboard.conftest import Site

NAME = "report/<daily>"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/queue.db"


@pytest.fixture
def known(site: Site) -> ManualClock:
    """Make two schedules known, as a worker does."""
    clock = ManualClock()
    with Pulpo(site.url, clock=clock) as app:
        app.schedule("report", args={"of": "all"}, cron="0 9 * * *", tz="Europe/Zurich", name=NAME)
        app.schedule("tidy", every="10m", overlap="skip")
        with closing(app.timekeeper()) as keeper:
            keeper.tick()
    return clock


def paused(site: Site, name: str) -> bool:
    with Pulpo(site.url) as app:
        store = side_of(app.engine)
        assert store is not None
        with closing(store):
            return read_schedules(store)[name].paused


def test_a_queue_without_schedules_says_how_to_have_some(visitor: Caller) -> None:
    page = visitor.get("/schedules")

    assert page.status == 200
    assert "No schedules are known here" in page.text


def test_it_shows_when_each_is_due_next_and_how_it_ended(
    site: Site, known: ManualClock, visitor: Caller
) -> None:
    with Pulpo(site.url) as app:
        store = side_of(app.engine)
        assert store is not None
        with closing(store):
            ended = TickOutcome(
                name="tidy",
                id="a-job",
                tick=known.wall(),
                outcome="buried",
                reason="OSError: <full>",
                seconds=2.5,
                ended=known.wall(),
            )
            tell_outcomes(store, [ended])

    text = visitor.get("/schedules").text

    assert "report/&lt;daily&gt;" in text
    assert "At 09:00" in text
    assert "09:00:00 +0" in text  # in its own zone
    assert "every 10m" in text
    assert "buried: OSError: &lt;full&gt;" in text
    assert text.count("no worker keeps it") == 2


@pytest.mark.usefixtures("known")
def test_a_schedule_is_paused_and_resumed(site: Site, visitor: Caller) -> None:
    path = "/schedules/report%2F%3Cdaily%3E"

    answer = visitor.send(visitor.get("/schedules").form(f"{path}/pause"))
    page = visitor.get(answer.header("location"))

    assert "Paused: no tick of it is published." in page.text
    assert paused(site, NAME)
    visitor.send(page.form(f"{path}/resume"))
    assert not paused(site, NAME)


@pytest.mark.usefixtures("known")
def test_a_job_is_published_by_hand_once_where_it_must_not_overlap(
    site: Site, visitor: Caller
) -> None:
    for said in ("Published a job of it now", "its last job is not done"):
        answer = visitor.send(visitor.get("/schedules").form("/schedules/tidy/run"))
        assert said in visitor.get(answer.header("location")).text

    (job,) = site.admin.list("default", JobState.READY)
    assert "schedule &#39;tidy&#39;, by hand" in visitor.get(f"/jobs/{job.id}").text


@pytest.mark.usefixtures("known")
def test_a_dashboard_that_only_shows_has_no_acts(make_site: Callable[..., Site]) -> None:
    visitor = make_site(read_only=True).visitor()

    page = visitor.get("/schedules")

    assert "<form" not in page.text.partition('id="live"')[2]
    assert visitor.post("/schedules/tidy/run", {}).status in (404, 405)


@pytest.mark.usefixtures("site")
def test_an_act_on_a_schedule_that_is_gone_says_so(
    site: Site, known: ManualClock, visitor: Caller
) -> None:
    form = visitor.get("/schedules").form("/schedules/tidy/pause")
    with Pulpo(site.url) as app:
        store = side_of(app.engine)
        assert store is not None
        with closing(store):
            from pulpo.telling.schedules import forget_schedule

            assert forget_schedule(store, "tidy")

    answer = visitor.send(form)

    assert "no such schedule" in visitor.get(answer.header("location")).text
