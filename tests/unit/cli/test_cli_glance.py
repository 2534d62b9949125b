"""The screen of `pulpo top`, from what is known to what is shown."""

from __future__ import annotations

import json
from dataclasses import replace

from pulpo.cli.glance import Glance, as_json, lines, rate_between
from pulpo.job import QueueStats
from pulpo.telling import BOUNDS, MinuteCount, RunningJob, SeenWorker

NOW = 1_800_000_060.0
MINUTE = 1_800_000_000


def counted(type: str, outcome: str, jobs: int, *, under: float = 0.05) -> MinuteCount:
    runtimes = [0] * (len(BOUNDS) + 1)
    runtimes[BOUNDS.index(under)] = jobs
    return MinuteCount(
        minute=MINUTE, queue="mail", type=type, outcome=outcome, jobs=jobs, runtimes=tuple(runtimes)
    )


JOB = RunningJob(
    slot="thread-1",
    id="a-job",
    type="mail.send",
    queue="mail",
    attempt=2,
    seconds=75.0,
    timeout=60.0,
)
WORKER = SeenWorker(
    id="w1",
    host="one",
    pid=7,
    worker=6,
    started=NOW - 100,
    queues=("mail",),
    types=("mail.send",),
    threads=8,
    async_slots=100,
    busy=1,
    running=(JOB,),
)
MINUTES = [
    counted("mail.send", "success", 90),
    counted("mail.send", "buried", 10, under=2.5),
    counted("mail.read", "success", 50),
]
GLANCE = Glance(
    shown_url="beanstalkd://localhost",
    now=NOW,
    queues=[QueueStats(queue="mail", ready=3, buried=1), QueueStats(queue="image", ready=2)],
    workers=[WORKER],
    minutes=MINUTES,
)


def shown(glance: Glance, rate: float | None = None) -> list[list[str]]:
    return [line.split() for line in "\n".join(lines(glance, rate=rate)).splitlines()]


def test_the_first_line_says_who_works_and_how_fast() -> None:
    first = next(lines(GLANCE, rate=12.4))

    assert first == "beanstalkd://localhost  1 process on 1 host, 1 of 108 slots busy, 12 jobs/s"


def test_the_first_line_says_that_no_thread_is_free_whatever_room_coroutines_have() -> None:
    full = replace(WORKER, threads=1, running=(replace(JOB, slot="thread-1"),))

    assert "1 of 101 slots busy, no thread free" in next(lines(replace(GLANCE, workers=[full])))
    half = replace(GLANCE, workers=[full, WORKER])
    assert "free" not in next(lines(half))
    waiting = replace(full, running=(replace(JOB, slot="async"),))
    assert "free" not in next(lines(replace(GLANCE, workers=[waiting])))


def test_each_queue_says_what_waits_how_much_is_done_and_who_does_not_serve_it() -> None:
    rows = {row[0]: row[1:] for row in shown(GLANCE) if row}

    assert rows["mail"] == ["3", "0", "0", "1", "15", "-"]
    assert rows["image"] == ["2", "0", "0", "0", "0", "-", "no", "worker"]


def test_a_paused_queue_says_so_and_for_how_long() -> None:
    paused = replace(
        GLANCE, queues=[QueueStats(queue="mail", ready=3, paused=True, pause_left=90.0)]
    )

    assert ["mail", "3", "0", "0", "0", "15", "-", "paused", "for", "1m30s"] in shown(paused)


def test_the_longest_running_job_is_named_and_one_over_its_time_told() -> None:
    assert ["mail.send", "a-job", "1m15s", "2", "over", "its", "time"] in shown(GLANCE)


def test_the_type_that_fails_most_comes_first_with_its_share() -> None:
    rows = shown(GLANCE)
    place = rows.index(["most", "failing", "types,", "10", "min"])

    assert rows[place + 2] == ["mail.send", "100", "10", "10%"]
    assert rows[place + 3 :] == []


def test_the_slowest_type_comes_first() -> None:
    rows = shown(GLANCE)
    place = rows.index(["slowest", "types,", "10", "min"])

    assert [row[0] for row in rows[place + 2 : place + 4]] == ["mail.send", "mail.read"]


def test_without_side_data_it_shows_the_queues_and_says_what_it_does_not_know() -> None:
    text = "\n".join(lines(replace(GLANCE, workers=None, minutes=None)))

    assert "nobody tells who works" in text
    assert "keeps no side data" in text
    assert "no worker" not in text


def test_without_a_worker_the_first_line_says_so() -> None:
    assert next(lines(replace(GLANCE, workers=[]))).endswith("no worker")


def test_the_rate_counts_what_has_ended_since_and_never_below_nothing() -> None:
    later = replace(GLANCE, now=NOW + 2, minutes=[*MINUTES, counted("mail.read", "success", 30)])

    assert rate_between(GLANCE, later) == 15.0
    assert rate_between(later, GLANCE) == 0.0
    assert rate_between(replace(GLANCE, minutes=None), later) is None


def test_as_json_it_is_all_there() -> None:
    told = json.loads(json.dumps(as_json(GLANCE)))

    assert told["queues"]["mail"]["ready"] == 3
    assert told["queues"]["mail"]["done_per_minute"] == 15.0
    assert told["workers"][0]["running"][0]["id"] == "a-job"
    assert told["types"]["mail.send"]["buried"] == 10


def test_what_others_have_written_drives_no_terminal() -> None:
    evil = replace(JOB, type="\x1b[2Jevil")
    text = "\n".join(lines(replace(GLANCE, workers=[replace(WORKER, running=(evil,))])))

    assert "\x1b" not in text
    assert "\\u001b[2Jevil" in text
