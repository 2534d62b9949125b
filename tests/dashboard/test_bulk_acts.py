"""Acts on all jobs that match, however many they are: a number is confirmed, and holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pulpo.adapters import open_engine
from pulpo.codec import Codec
from pulpo.dashboard import bulk_acts, errands
from pulpo.dashboard.errands import Errand, Stage
from pulpo.dashboard.looking import MOST_LOOKED_AT
from pulpo.identity import new_ids
from pulpo.job import NewJob
from tests.dashboard.caller import Answer, Caller
from tests.dashboard.conftest import Site

MANY = MOST_LOOKED_AT + 600


def put_many(url: str, count: int, *, queue: str = "mail", type: str = "mail.welcome") -> list[str]:
    adapter = open_engine(url).adapter()
    jobs = [
        NewJob(
            id=each,
            type=type,
            queue=queue,
            body=Codec().encode({"type": type, "id": each, "queue": queue}, {"n": n}),
        )
        for n, each in enumerate(new_ids(count))
    ]
    answers = adapter.put(jobs)
    adapter.close()
    assert list(answers) == [job.id for job in jobs]
    return [job.id for job in jobs]


def follow(visitor: Caller, answer: Answer) -> str:
    assert answer.status == 303
    page = visitor.get(answer.header("location"))
    assert page.status == 200
    return page.text


def settled(site: Site, *, timeout: float = 20.0) -> Errand:
    """Wait for the end of what goes on beside the requests."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        shown = site.app.state.errands.shown
        if shown is not None and shown.stage not in (Stage.COUNTING, Stage.ACTING):
            return shown
        time.sleep(0.01)
    raise AssertionError("it does not end")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no request wait for what it has begun."""

    async def not_at_all(done: Any) -> None:
        await errands.waited_for(done, patience=0.0)

    monkeypatch.setattr(bulk_acts, "waited_for", not_at_all)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Hold every batch back until the test lets it go on."""
    gate, carry_out = threading.Semaphore(0), bulk_acts.act_on_all

    def slowly(admin: Any, bulk: Any, seat: Any) -> None:
        assert gate.acquire(timeout=20)
        carry_out(admin, bulk, seat)

    monkeypatch.setattr(bulk_acts, "act_on_all", slowly)
    yield gate.release
    gate.release(9)


def test_an_act_reaches_more_jobs_than_a_page_looks_at(site: Site, visitor: Caller) -> None:
    put_many(site.url, MANY)
    other = site.queue.put(queue="other")
    form = visitor.get("/jobs?queue=mail").form("/jobs/delete")
    assert form.fields["count"] == str(MANY)

    page = follow(visitor, visitor.send(form))

    assert f"Deleted {MANY:,} jobs" in page
    assert site.admin.stats("mail").ready == 0
    assert site.state(other) == "ready"


def test_what_a_page_cannot_count_is_counted_on_demand(site: Site, visitor: Caller) -> None:
    put_many(site.url, MANY)
    put_many(site.url, 3, type="report.weekly")
    listed = visitor.get("/jobs?queue=mail&type=mail.welcome")
    assert "/jobs/delete" not in {form.action for form in listed.forms}, "nobody knows how many"

    counted = follow(visitor, visitor.send(listed.form("/jobs/count")))
    assert f"Counted: {MANY:,} jobs match" in counted
    late = site.queue.put()
    page = visitor.get("/jobs?queue=mail&type=mail.welcome")
    form = page.form("/jobs/delete")
    assert form.fields["count"] == str(MANY)
    told = follow(visitor, visitor.send(form))

    assert f"Deleted {MANY:,} jobs" in told
    assert site.state(late) == "ready", "it was not among those that were counted"
    assert site.admin.stats("mail").ready == 4


@pytest.mark.usefixtures("at_once")
def test_what_takes_long_goes_on_and_the_pages_say_how_far_it_is(
    site: Site, visitor: Caller, held: Callable[[], None]
) -> None:
    put_many(site.url, 30)
    form = visitor.get("/jobs?queue=mail").form("/jobs/bury")

    page = follow(visitor, visitor.send(form))
    assert "goes on by itself" in page
    assert "Finding the jobs that match" in page
    assert "Finding the jobs that match" in visitor.get("/").text
    held()
    ended = settled(site)

    assert (ended.stage, ended.done, ended.left) == (Stage.DONE, 30, 0)
    assert "Buried 30 of 30 jobs" in visitor.get("/jobs?queue=mail").text
    assert site.admin.stats("mail").buried == 30


@pytest.mark.usefixtures("at_once")
def test_one_act_at_a_time(site: Site, visitor: Caller, held: Callable[[], None]) -> None:
    put_many(site.url, 3)
    form = visitor.get("/jobs?queue=mail").form("/jobs/bury")
    visitor.send(form)

    answer = visitor.send(form)

    assert answer.status == 409
    assert "wait for the last one, or stop it" in answer.text
    held()
    assert settled(site).done == 3


@pytest.mark.usefixtures("at_once")
def test_what_goes_on_can_be_stopped(site: Site, visitor: Caller, held: Callable[[], None]) -> None:
    put_many(site.url, 3)
    visitor.send(visitor.get("/jobs?queue=mail").form("/jobs/delete"))

    page = follow(visitor, visitor.send(visitor.get("/jobs").form("/jobs/stop")))
    held()

    assert "Stopped" in page
    assert settled(site).stage is Stage.STOPPED
    assert "Stopped. Deleted 0 of 0 jobs" in visitor.get("/jobs").text
    assert site.admin.stats("mail").ready == 3


@pytest.mark.usefixtures("at_once")
def test_a_number_that_does_not_hold_any_more_is_asked_about_anew(
    site: Site, visitor: Caller
) -> None:
    first = site.queue.put()
    form = visitor.get("/jobs?queue=mail").form("/jobs/delete")
    second = site.queue.put()

    visitor.send(form)
    refused = settled(site)
    page = visitor.get("/jobs?queue=mail")
    third = site.queue.put()

    assert (refused.stage, refused.done) == (Stage.COUNTED, 0)
    assert "Nothing was done: it would be 2 jobs now, not 1 as the page said" in page.text
    form = next(form for form in page.forms if "errand" in form.fields)
    assert (form.action, form.fields["count"]) == ("/jobs/delete", "2")
    visitor.send(form)
    assert settled(site).done == 2
    states = [site.state(job) for job in (first, second, third)]
    assert states == ["gone", "gone", "ready"], "those that were shown, and no others"


def test_what_was_counted_cannot_be_acted_on_twice(site: Site, visitor: Caller) -> None:
    put_many(site.url, MANY)
    count = visitor.get("/jobs?type=mail.*").form("/jobs/count")
    visitor.send(count)
    old = visitor.get("/jobs?type=mail.*").form("/jobs/delete")
    visitor.send(count)

    answer = visitor.send(old)

    assert answer.status == 409
    assert "counted anew" in answer.text
    assert site.admin.stats("mail").ready == MANY
    assert visitor.send(old, errand="x").status == 400
    assert visitor.send(old, errand="1", count="3").status == 409


def test_to_kick_all_means_the_buried_ones(site: Site, visitor: Caller) -> None:
    buried, late = site.queue.bury(), site.queue.put(delay=600)

    visitor.send(visitor.get("/jobs?queue=mail").form("/jobs/kick"))
    assert [site.state(buried), site.state(late)] == ["ready", "delayed"]

    visitor.send(visitor.get("/jobs?state=delayed").form("/jobs/kick"))
    assert site.state(late) == "ready"


def test_an_act_is_logged_with_what_it_has_done(
    site: Site, visitor: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    put_many(site.url, 3)

    with caplog.at_level("INFO", "pulpo.audit"):
        visitor.send(visitor.get("/jobs?queue=mail").form("/jobs/delete"))

    assert [record.getMessage() for record in caplog.records if record.name == "pulpo.audit"] == [
        "delete all jobs with 'queue=mail': 3"
    ]


def test_an_act_that_fails_says_so_on_the_page(
    site: Site, visitor: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pulpo.errors import QueueUnavailableError

    def gone(*_: object) -> None:
        raise QueueUnavailableError("database is locked")

    site.queue.put()
    form = visitor.get("/jobs?queue=mail").form("/jobs/delete")
    monkeypatch.setattr(bulk_acts, "act_on_all", gone)

    assert visitor.send(form).status == 503
    assert "It has failed: database is locked." in visitor.get("/jobs").text


def test_of_a_dashboard_that_only_shows_nobody_counts(make_site: Callable[..., Site]) -> None:
    site = make_site(read_only=True)
    put_many(site.url, MANY)
    visitor = site.visitor()

    assert "/jobs/count" not in visitor.get("/jobs?type=mail.*").text
    assert visitor.post("/jobs/count", {"type": "mail.*"}).status in (403, 404, 405)
