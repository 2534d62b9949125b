"""What workers tell beside the queue, once somebody tells: charts, alarms, workers, types."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from pulpo.dashboard.alarms import alarms
from pulpo.dashboard.charts import HEIGHT, chart
from pulpo.dashboard.side import Minute, NothingTold, RunningJob, TypeToll, WorkerSeen
from pulpo.job import QueueStats
from tests.dashboard.conftest import Site


class Told(NothingTold):
    """Workers that have told."""

    knows_all = True

    def __init__(self, workers: Sequence[WorkerSeen]) -> None:
        self._workers = workers

    def workers(self) -> Sequence[WorkerSeen]:
        return self._workers

    def minutes(self, queue: str | None = None) -> Sequence[Minute]:
        return [Minute(at=60.0 * n, succeeded=n, failed=n % 2, median=0.1) for n in range(60)]

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
    stack='  File "mail.py", line 3',
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
    assert "line 3" in page


def test_the_last_hour_is_drawn_and_said(told: Site) -> None:
    page = told.visitor().get("/").text

    assert page.count('class="succeeded"') == 60
    assert "1,770 succeeded, 30 failed" in page
    assert "half of them took less than 100ms" in page


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
