"""What workers tell beside the queue, once somebody tells: charts, alarms, workers, types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from pulpo import telling
from pulpo.dashboard.alarms import alarms
from pulpo.dashboard.charts import HEIGHT, chart
from pulpo.dashboard.side import Minute, NothingTold, RunningJob, TypeToll, WorkerSeen
from pulpo.job import QueueStats
from pulpo.telling import AskedStacks, SlotStack, Stacks
from pulpo.telling.limits import Holder, SeenLimit
from tests.dashboard.conftest import Site


class Told(NothingTold):
    """Workers that have told."""

    knows_all = True

    def __init__(
        self, workers: Sequence[WorkerSeen], asked: Mapping[str, AskedStacks] | None = None
    ) -> None:
        self._workers = workers
        self._asked = asked or {}

    def workers(self) -> Sequence[WorkerSeen]:
        return self._workers

    def stacks(self, ids: Sequence[str]) -> Mapping[str, AskedStacks]:
        return {id: asked for id, asked in self._asked.items() if id in ids}  # noqa: A001

    def minutes(self, queue: str | None = None) -> Sequence[Minute]:
        return [Minute(at=60.0 * n, succeeded=n, failed=n % 2, median=0.1) for n in range(60)]

    def limits(self) -> Sequence[SeenLimit]:
        return [
            SeenLimit(
                key="charge:1",
                name="charge",
                shown="charge (who=<b>)",
                concurrency=1,
                holders=(Holder(job="j1", type="charge", host="app-3", pid=42),),
                waiting=1_234,
                rate="5/s",
                used_for=90.0,
            )
        ]

    def types(self) -> Sequence[TypeToll]:
        return [TypeToll(type="mail.welcome", succeeded=1_234, failed=5, median=0.25)]


def worker(*running: RunningJob, queues: tuple[str, ...] = ("mail",)) -> WorkerSeen:
    return WorkerSeen(
        name="web-1/7",
        host="web-1",
        pid=7,
        queues=queues,
        slots=8,
        busy=len(running),
        beat=1.0,
        running=running,
    )


STUCK = RunningJob(
    id="0198c0de-7a11-7b0b-8123-6c6f73746a6f",
    type="<b>mail</b>",
    queue="mail",
    seconds=700.0,
    is_overdue=True,
)


HOSTILE = '  File "</pre><b><script>alert(1)</script>", line 3, in \u202ef\x1b[2J'
STRANGE = telling.RunningJob(
    slot="<img src=x>",
    id="<img src=y>",
    type="<img src=z>",
    queue="q",
    attempt=1,
    seconds=3.0,
    timeout=5.0,
)


@pytest.fixture
def told(make_site: Callable[..., Site]) -> Site:
    return make_site(told=Told([worker(STUCK)]))


def test_workers_are_shown_with_what_they_run(told: Site) -> None:
    page = told.visitor().get("/workers").text

    assert "1 of 8 slots busy" in page
    assert "over its timeout" in page
    assert "11m40s" in page
    assert "&lt;b&gt;mail&lt;/b&gt;" in page


@pytest.mark.parametrize("read_only", [False, True])
def test_nothing_of_a_stack_is_markup(make_site: Callable[..., Site], read_only: bool) -> None:
    answer = Stacks(slots=(SlotStack(job=STRANGE, stack=HOSTILE),), left_out=7, age=2.0)
    told = Told([replace(worker(STUCK), id="an-id")], {"an-id": AskedStacks(answer=answer)})
    page = make_site(told=told, read_only=read_only).visitor().get("/workers").text

    for text in ("<script", "<img", "</pre><b", "\u202e", "\x1b"):
        assert text not in page.partition("<main")[2]
    assert "&lt;/pre&gt;&lt;b&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\\u202e" in page
    assert "&lt;img src=x&gt;" in page
    assert "Its stacks, 2s ago" in page
    assert "7 more busy slots" in page
    assert ("/workers/an-id/stacks" in page) == (not read_only)


def test_who_has_asked_sees_that_an_answer_is_waited_for(make_site: Callable[..., Site]) -> None:
    told = Told([replace(worker(), id="an-id")], {"an-id": AskedStacks(waits=1.4)})
    page = make_site(told=told).visitor().get("/workers").text

    assert "Asked for its stacks 1s ago" in page


def test_the_last_hour_is_drawn_and_said(told: Site) -> None:
    page = told.visitor().get("/").text

    assert page.count('class="succeeded"') == 60
    assert "1,770 succeeded, 30 failed" in page
    assert "half of them took less than 100ms" in page


def test_limits_are_shown_with_their_slots_and_those_who_wait(told: Site) -> None:
    page = told.visitor().get("/types").text

    row = page[page.index("charge (who=&lt;b&gt;)") :].split("</tr>")[0]
    assert all(said in row for said in ("1 of 1", "1,234", "5/s", "/jobs/j1"))


def test_types_are_shown_with_their_toll(told: Site) -> None:
    page = told.visitor().get("/types").text

    assert "1,234" in page
    assert "250ms" in page


def test_a_queue_that_nobody_serves_needs_attention(told: Site) -> None:
    told.queue.put(queue="reports")

    assert "no worker serves this queue" in told.visitor().get("/").text


def test_no_worker_at_all_is_said(make_site: Callable[..., Site]) -> None:
    assert "No worker runs" in make_site(told=Told([])).visitor().get("/workers").text


def test_bars_fill_the_height_of_the_busiest_minute() -> None:
    found = chart([Minute(at=0, succeeded=3, failed=1), Minute(at=60, succeeded=1)])

    assert found is not None
    busy, calm = found.bars
    assert (busy.succeeded_y, busy.succeeded_height) == (0, HEIGHT * 3 / 4)
    assert (busy.failed_y, busy.failed_height) == (HEIGHT * 3 / 4, HEIGHT / 4)
    assert (calm.succeeded_height, calm.failed_height) == (HEIGHT / 4, 0)


def test_an_hour_in_which_nothing_ran_is_flat() -> None:
    found = chart([Minute(at=0), Minute(at=60)])

    assert found is not None
    assert {bar.succeeded_height for bar in found.bars} == {0}
    assert chart(None) is None
    assert chart([]) is None


@pytest.mark.parametrize(
    ("stats", "workers", "texts"),
    [
        (QueueStats(queue="q"), None, []),
        (QueueStats(queue="q", ready=3), None, []),
        (QueueStats(queue="q", ready=3), [], ["3 jobs wait and no worker serves this queue"]),
        (QueueStats(queue="q", ready=3), [worker(queues=("q",))], []),
        (QueueStats(queue="q", buried=1), None, ["1 job buried"]),
        (QueueStats(queue="q", paused=True), None, []),
        (
            QueueStats(queue="q", ready=1, paused=True, pause_left=90.0),
            None,
            ["paused for 1m30s more, with 1 job waiting"],
        ),
        (QueueStats(queue="q"), [worker(STUCK)], ["worker web-1/7 has run <b>mail</b> for 11m40s"]),
    ],
)
def test_alarms_say_what_is_wrong(
    stats: QueueStats, workers: Sequence[WorkerSeen] | None, texts: list[str]
) -> None:
    assert [alarm.text for alarm in alarms([stats], workers)] == texts
