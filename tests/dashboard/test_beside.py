"""What real workers tell beside the queue, on the pages, on both durable engines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pulpo.adapters.memory import MemoryEngine
from pulpo.clock import ManualClock
from pulpo.dashboard import told as told_module
from pulpo.dashboard.told import SideTelling
from pulpo.queue_url import QueueURL
from pulpo.side import side_of
from pulpo.telling import MinuteCount, merged, tell_minutes
from tests.dashboard.caller import Caller
from tests.dashboard.conftest import Site
from tests.lab.place import Place
from tests.lab.processes import until

TASKS = """
import time
import pulpo

@pulpo.job(type="quick")
def quick() -> None:
    pass

@pulpo.job(type="slow", timeout="1s")
def slow() -> None:
    time.sleep(60)

@pulpo.job(type="hopeless", retries=0)
def hopeless() -> None:
    raise ValueError("never")
"""


@pytest.fixture
def place(tmp_path: Path, url: str) -> Place:
    (tmp_path / "shop.py").write_text(TASKS)
    return Place(tmp_path, url)


def test_a_worker_is_shown_with_what_it_runs(place: Place, site: Site, visitor: Caller) -> None:
    job = place.pulpo("publish", "slow").out.strip()
    ready = place.pulpo("publish", "slow").out.strip()
    arguments = ("--processes", "1", "--threads", "1", "--async-slots", "1", "--grace", "0")
    with place.worker(*arguments, module="shop") as worker:
        until(lambda: job in visitor.get("/workers").text, "the job on the page of workers")
        page = visitor.get("/workers").text
        why, why_not = visitor.get(f"/jobs/{job}").text, visitor.get(f"/jobs/{ready}").text
        until(lambda: "over its timeout" in visitor.get("/workers").text, "a slot that is stuck")
        worker.stop()

    assert "1 of 2 slots busy" in page
    assert "serves default" in page
    assert f"Worker &#39;{worker.pid}&#39; (pid " in why
    assert "has been running it for" in why
    assert "goes first" in why_not or "go first" in why_not
    until(lambda: "No worker runs" in visitor.get("/workers").text, "a worker that said goodbye")


def test_its_stacks_are_there_for_who_asks(
    place: Place, make_site: Callable[..., Site], visitor: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pulpo.audit")
    looker = make_site(read_only=True).visitor()
    job = place.pulpo("publish", "slow").out.strip()
    with place.worker("--processes", "1", "--grace", "0", module="shop") as worker:
        until(lambda: job in visitor.get("/workers").text, "the job on the page of workers")
        form, seen = visitor.get("/workers").form("/stacks"), looker.get("/workers")
        assert "in slow" not in seen.text
        answer = visitor.send(form)
        until(lambda: "in slow" in visitor.get("/workers").text, "the stack of the handler")
        page = visitor.get("/workers").text
        unmarked = visitor.post(form.action, {})
        acted = looker.post(form.action, form.fields)
        worker.stop()

    assert form.method == "post"
    assert (answer.status, answer.header("location")) == (303, "/workers?said=asked&n=1")
    assert "Asked: the stacks are below" in visitor.get(answer.header("location")).text
    stack = page.partition("<pre")[2].partition("</pre>")[0]
    assert "in slow" in stack
    assert "time.sleep(60)" in stack
    assert job in page.partition("Its stacks, ")[2]
    # A question is an act: it takes the mark of a form, and is not there for those who only look.
    assert unmarked.status == 403
    assert "/stacks" not in [form.action for form in seen.forms]
    assert acted.status in (404, 405)
    assert "for its stacks: done" in caplog.text
    until(lambda: "No worker runs" in visitor.get("/workers").text, "a worker that said goodbye")
    late = visitor.send(form)
    assert late.header("location") == "/workers?said=not-asked&n=1"


def test_what_was_done_is_counted_by_minutes_and_types(place: Place, visitor: Caller) -> None:
    for type in ("quick", "quick", "hopeless"):
        place.pulpo("publish", type)
    with place.worker("--processes", "1", module="shop") as worker:
        until(lambda: "2 succeeded, 1 failed" in visitor.get("/").text, "the last hour")
        worker.stop()

    types, queue = visitor.get("/types").text, visitor.get("/queues/default").text

    assert "2 succeeded, 1 failed" in queue
    row = types[types.index(">quick</a>") :].split("</tr>")[0]
    assert 'data-label="Succeeded" class="number">2<' in row


def test_a_queue_that_nobody_serves_needs_attention(place: Place, visitor: Caller) -> None:
    place.pulpo("publish", "quick", "--queue", "reports")
    with place.worker("--processes", "1", module="shop") as worker:
        until(lambda: "0 of 108 slots busy" in visitor.get("/workers").text, "a worker that tells")
        page = visitor.get("/").text
        worker.stop()

    assert "1 job waits and no worker" in page
    assert "Start one: pulpo worker MODULE -q reports" in page


def count(minute: int, jobs: int) -> MinuteCount:
    return MinuteCount(minute=minute, queue="mail", type="t", outcome="success", jobs=jobs)


def test_a_minute_is_read_until_nobody_adds_to_it_any_more() -> None:
    clock = ManualClock()
    engine = MemoryEngine(QueueURL.parse("memory://"), clock=clock)
    store, told = side_of(engine), SideTelling(engine, clock)
    assert store is not None
    first = int(clock.wall() // 60) * 60

    def seen() -> list[int]:
        return [minute.succeeded for minute in told.minutes() or () if minute.succeeded]

    tell_minutes(store, [count(first, 1)])
    assert seen() == [1]
    tell_minutes(store, [count(first, 1)])
    assert seen() == [2]
    clock.advance(600)
    tell_minutes(store, [count(first + 600, 5)])
    assert seen() == [2, 5]
    assert seen() == [2, 5]
    clock.advance(3_300)
    assert seen() == [5]
    told.close()


def test_the_hour_has_sixty_minutes_and_only_the_queue_that_was_asked_for() -> None:
    clock = ManualClock()
    engine = MemoryEngine(QueueURL.parse("memory://"), clock=clock)
    store, told = side_of(engine), SideTelling(engine, clock)
    assert store is not None
    assert told.minutes() is None
    tell_minutes(store, [count(int(clock.wall()), 3)])

    hour, other = told.minutes("mail"), told.minutes("reports")

    assert hour is not None
    assert other is not None
    assert [len(hour), len(other)] == [60, 60]
    assert [hour[-1].succeeded, other[-1].succeeded] == [3, 0]
    told.close()


def test_a_busy_hour_is_added_up_once_and_not_for_each_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = ManualClock()
    engine = MemoryEngine(QueueURL.parse("memory://"), clock=clock)
    store, told = side_of(engine), SideTelling(engine, clock)
    assert store is not None
    now, types, added = int(clock.wall() // 60) * 60, 50, 0
    for minute in range(now - 59 * 60, now + 1, 60):
        tell_minutes(store, [replace(count(minute, 1), type=f"t{n}") for n in range(types)])

    def counted(counts: Iterable[MinuteCount], by: Any) -> tuple[MinuteCount, ...]:
        nonlocal added
        given = list(counts)
        added += len(given)
        return merged(given, by)

    monkeypatch.setattr(told_module, "merged", counted)
    hour = told.minutes()
    first, added = added, 0
    again = told.minutes()

    assert hour == again
    assert hour is not None
    assert [minute.succeeded for minute in hour] == [types] * 60
    assert first >= 2 * 60 * types
    assert added <= 2 * 3 * types + 4 * 60, "the last minutes, and a few sums for each other one"
    told.close()
