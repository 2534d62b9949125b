"""The stacks of a worker process, asked for by a button, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from pulpo.adapters import open_engine
from pulpo.side import SideStore, side_of
from pulpo.telling import (
    RunningJob,
    SeenWorker,
    SlotStack,
    stacks_question,
    tell_stacks,
    tell_worker,
)

on_a_file = pytest.mark.parametrize("url", ["file"], indirect=True)
HOSTILE = (
    '  File "/srv/</pre><script>alert(1)</script>", line 3, in send\n' * 9 + "    " + "x" * 300
)
JOB = RunningJob(
    slot="thread-1",
    id="0198c0de-7a11-7b0b-8123-6c6f73746a6f",
    type="mail.welcome",
    queue="mail",
    attempt=1,
    seconds=65.0,
    timeout=600.0,
)
WORKER = SeenWorker(
    id="0198c0de-0000-7b0b-8123-000000000001",
    host="web-1",
    pid=812,
    worker=811,
    started=1_800_000_000.0,
    queues=("mail",),
    types=("mail.welcome",),
    threads=8,
    async_slots=100,
    busy=1,
    running=(JOB,),
)


@pytest.fixture
def store(url: str) -> Iterator[SideStore]:
    store = side_of(open_engine(url))
    assert store is not None
    with closing(store):
        yield store


@on_a_file
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1_200, 360])
def test_stacks_come_without_a_reload(
    store: SideStore, open_tab: Callable[..., Any], scheme: str, width: int
) -> None:
    tell_worker(store, WORKER)
    tab = open_tab(viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab.go("/workers")
    page = tab.press("/stacks")
    page.get_by_text("Asked for its stacks").wait_for()
    assert tab.accessibility() == []

    question = stacks_question(store, WORKER.id)
    assert question is not None
    slots = [SlotStack(job=JOB, stack=HOSTILE)]
    tell_worker(store, WORKER)
    tell_stacks(store, WORKER.id, slots, question=question, busy=1)
    page.evaluate("window.same = true")
    page.locator(".stacks pre").wait_for()

    assert page.evaluate("window.same")
    assert page.locator(".stacks pre").inner_text() == HOSTILE
    assert page.locator(".stacks script").count() == 0
    assert page.get_by_text("Asked for its stacks").count() == 0
    assert tab.accessibility() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
