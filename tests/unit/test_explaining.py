"""Every reason why a job is not running, from facts alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pulpo.explaining import Explanation, Facts, FullLimit, JobFacts, LiveWorker, Slot, explain
from pulpo.job import JobState, QueueStats

NOW = 1_800_000_000.0
JOB = JobFacts(id="j1", queue="mail", state=JobState.READY, type="mail.welcome")
STATS = QueueStats(queue="mail", ready=1)
WORKER = LiveWorker(
    name="w1",
    host="app-3",
    pid=42,
    queues=frozenset({"mail"}),
    types=frozenset({"mail.welcome"}),
    slots=(Slot(job="j1", type="mail.welcome", since=NOW - 12.0),),
)


def asked(job: JobFacts | None = JOB, **facts: Any) -> Explanation:
    return explain("j1", Facts(now=NOW, job=job, **{"stats": STATS, "ahead": (0, 0)} | facts))


def codes(found: Explanation) -> list[str]:
    return [reason.code.value for reason in found.reasons]


def test_a_job_that_nobody_has_has_no_state() -> None:
    found = asked(None)

    assert (found.state, codes(found)) == (None, ["not_found"])
    assert found.as_json()["state"] is None


def test_json_has_code_text_and_hint_of_each_reason() -> None:
    shown = asked().as_json()

    assert set(shown) == {"id", "state", "reasons"}
    assert (shown["id"], shown["state"]) == ("j1", "ready")
    (reason,) = shown["reasons"]  # type: ignore[misc]
    assert set(reason) == {"code", "text", "hint"}


def test_a_running_job_says_where_and_since_when() -> None:
    found = asked(replace(JOB, state=JobState.RESERVED, failures=2), workers=[WORKER])

    assert codes(found) == ["running"]
    text = found.reasons[0].text
    assert "worker 'w1' (pid 42 on app-3) has been running it for 12s" in text
    assert "attempt 3" in text


def test_a_running_job_of_unknown_workers_is_running_all_the_same() -> None:
    found = asked(replace(JOB, state=JobState.RESERVED))

    assert codes(found) == ["running"]
    assert "worker '" not in found.reasons[0].text


def test_a_delayed_job_says_when_it_is_due() -> None:
    found = asked(replace(JOB, state=JobState.DELAYED, due=90.0))

    assert codes(found) == ["delayed"]
    assert "in 1m30s, at 2027-01-15T08:01:30Z" in found.reasons[0].text


def test_a_job_that_has_failed_is_retrying() -> None:
    failed = replace(JOB, state=JobState.DELAYED, due=30.0, failures=2, error="ValueError: no")

    found = asked(failed)

    assert codes(found) == ["retrying"]
    text = found.reasons[0].text
    assert "attempt 2 has failed: ValueError: no; attempt 3 comes in 30s" in text


def test_a_delayed_job_of_a_paused_queue_has_both_reasons() -> None:
    paused = replace(STATS, paused=True, pause_left=540.0)

    found = asked(replace(JOB, state=JobState.DELAYED, due=5.0), stats=paused)

    assert codes(found) == ["delayed", "paused"]


def test_a_paused_queue_says_for_how_long_and_how_to_end_it() -> None:
    found = asked(stats=replace(STATS, paused=True, pause_left=540.0), ahead=(3, 3))

    assert codes(found) == ["paused", "behind"]
    assert "for another 9m" in found.reasons[0].text
    assert "pulpo resume mail" in found.reasons[0].hint


def test_a_pause_without_an_end_says_so() -> None:
    found = asked(stats=replace(STATS, paused=True))

    assert codes(found) == ["paused"]
    assert "until somebody resumes it" in found.reasons[0].text


def test_jobs_that_go_first_are_counted_and_timed() -> None:
    found = asked(ahead=(1_199, 1_199), rate=10.0)

    assert codes(found) == ["behind"]
    assert "1,199 jobs of its queue go first" in found.reasons[0].text
    assert "in about 2m" in found.reasons[0].text


def test_jobs_that_were_not_counted_one_by_one_are_a_bound() -> None:
    found = asked(ahead=(0, 999_999))

    assert "up to 999,999 jobs of its queue go first" in found.reasons[0].text


def test_a_ready_job_always_has_a_reason() -> None:
    assert codes(asked()) == ["behind"]
    assert codes(asked(workers=[WORKER])) == ["behind"]


def test_nobody_who_serves_its_queue_is_a_reason_where_it_is_known() -> None:
    elsewhere = replace(WORKER, queues=frozenset({"images"}))

    found = asked(workers=[elsewhere])

    assert codes(found) == ["no_worker"]
    assert "1 worker in all" in found.reasons[0].text
    assert "-q mail" in found.reasons[0].hint
    assert codes(asked(workers=[])) == ["no_worker"]


def test_workers_of_other_hosts_may_serve_its_queue_where_not_all_are_known() -> None:
    found = asked(workers=[], knows_all_workers=False)

    assert codes(found) == ["no_worker"]
    assert "each host knows its own" in found.reasons[0].text


def test_a_worker_whose_types_are_not_all_told_may_know_this_one() -> None:
    many = replace(WORKER, types=frozenset({"mail.other"}), knows_more=True)

    assert codes(asked(workers=[many])) == ["behind"]


def test_workers_that_do_not_know_its_type_are_a_reason() -> None:
    other = replace(WORKER, types=frozenset({"mail.other"}))

    assert codes(asked(workers=[other])) == ["unknown_type"]
    assert codes(asked(workers=[other, other])) == ["unknown_type"]
    assert codes(asked(workers=[other, WORKER])) == ["behind"]


def test_bytes_that_are_no_job_have_no_type_that_could_be_unknown() -> None:
    found = asked(replace(JOB, type=None, problem="not msgpack"), workers=[WORKER])

    assert codes(found) == ["behind"]
    assert "not msgpack" in found.reasons[0].text


def test_a_buried_job_says_why() -> None:
    buried = replace(JOB, state=JobState.BURIED, failures=21, error="ValueError: no such user")

    found = asked(buried, stats=replace(STATS, paused=True), workers=[])

    assert codes(found) == ["buried"]
    assert "after 21 failures: ValueError: no such user" in found.reasons[0].text
    assert "pulpo jobs kick j1" in found.reasons[0].hint


def test_an_expired_job_says_so_before_all_else() -> None:
    found = asked(replace(JOB, expires=NOW - 60.0), stats=replace(STATS, paused=True))

    assert codes(found) == ["expired", "paused"]
    assert "2027-01-15T07:59:00Z" in found.reasons[0].text


def test_a_job_that_expires_before_it_is_due_is_never_run() -> None:
    found = asked(replace(JOB, state=JobState.DELAYED, due=100.0, expires=NOW + 50.0))

    assert codes(found) == ["expired", "delayed"]
    assert "expires before it is due" in found.reasons[0].text


def test_a_job_whose_key_another_one_holds_names_that_one() -> None:
    rival = replace(JOB, duplicate_of="j2")

    ready, buried = asked(rival), asked(replace(rival, state=JobState.BURIED, error="no"))
    delayed = asked(replace(rival, state=JobState.DELAYED, due=60.0))

    assert codes(ready) == ["duplicate_of"]
    assert codes(delayed) == ["duplicate_of", "delayed"]
    assert codes(buried) == ["buried", "duplicate_of"]
    assert all("job j2 holds its key" in found.reasons[-1].text for found in (ready, buried))


def test_a_buried_job_that_has_expired_says_that_a_kick_is_in_vain() -> None:
    found = asked(replace(JOB, state=JobState.BURIED, error="no", expires=NOW - 1.0))

    assert codes(found) == ["buried", "expired"]


def test_a_moment_beyond_the_calendar_is_the_last_one_of_it() -> None:
    found = asked(replace(JOB, state=JobState.DELAYED, due=1e12))

    assert "9999-12-31" in found.reasons[0].text


def test_a_job_that_was_put_back_by_workers_with_other_code_says_so() -> None:
    bounced = replace(JOB, state=JobState.DELAYED, due=4.0, problem="bounced once: unknown type")

    found = asked(bounced)

    assert codes(found) == ["delayed"]
    assert "bounced once: unknown type" in found.reasons[0].text
    assert "pulpo check" in found.reasons[0].hint


def test_a_job_behind_slow_ones_says_what_holds_every_thread() -> None:
    slow = Slot(job="j9", type="report", since=NOW - 2_460)
    full = replace(WORKER, has_no_thread_free=True, slots=(WORKER.slots[0], slow))

    found = asked(workers=[full], ahead=(3, 3), rate=1.0)

    (reason,) = found.reasons
    assert reason.code.value == "behind"
    assert "every thread of the worker that serves it is busy, one with 'report' for 41m" in (
        reason.text
    )
    assert "current rate" not in reason.text, "which says nothing of what is stuck"
    assert "pulpo workers --stacks" in reason.hint


def test_one_free_thread_is_enough() -> None:
    full = replace(WORKER, has_no_thread_free=True)
    elsewhere = replace(full, queues=frozenset({"other"}))

    assert "busy" not in asked(workers=[full, WORKER], ahead=(3, 3)).reasons[0].text
    assert "busy" not in asked(workers=[WORKER, elsewhere], ahead=(3, 3)).reasons[0].text


FULL = FullLimit(shown="charge (who=7)", slots=1, holders=("j0 (pid 4 on app-3)",))
LIMITED = replace(JOB, state=JobState.DELAYED, due=60.0, limited=NOW - 5.0)


def test_a_job_that_waits_for_a_slot_says_who_has_them() -> None:
    (reason,) = asked(LIMITED, limit=FULL).reasons

    assert reason.code.value == "limited"
    assert "a slot of charge (who=7): 1 of 1 are taken, by j0 (pid 4 on app-3)" in reason.text
    assert "it comes again in 1m" in reason.hint


def test_of_many_who_have_a_slot_some_are_named() -> None:
    many = replace(FULL, slots=20, holders=tuple(f"j{n}" for n in range(20)))

    (reason,) = asked(LIMITED, limit=many).reasons

    assert reason.text.endswith(
        "20 of 20 are taken, by j0, j1, j2, j3, j4, j5, j6, j7, j8, j9, and others"
    )


def test_a_job_that_waits_for_its_turn_says_when_that_is() -> None:
    (reason,) = asked(replace(LIMITED, turn=NOW + 60.0, failures=1)).reasons

    assert reason.code.value == "limited"
    assert "its turn at the rate of its limit in 1m, at 2027-01-15T08:01:00Z" in reason.text


def test_where_it_is_not_known_what_a_job_waits_for_it_waits_all_the_same() -> None:
    unknown, free = asked(LIMITED), asked(LIMITED, limit=replace(FULL, holders=()))

    assert codes(unknown) == codes(free) == ["limited"]
    assert "a slot of its type" in unknown.reasons[0].text
    assert "a slot of charge (who=7)" in free.reasons[0].text
