"""Which jobs this code could not run, judged by the worker's own opening of them."""

from __future__ import annotations

from typing import Any

import pytest

from pulpo.adapters import open_engine
from pulpo.app import Pulpo
from pulpo.clock import ManualClock
from pulpo.codec import Codec
from pulpo.fitting import Kind, misfit, survey
from pulpo.job import JobState, ListedJob, NewJob

NOW = 1_800_000_000.0
APP = Pulpo("memory://")


@APP.job(type="mail", aliases=["post"])
def mail(to: str, *, lang: str = "en") -> None: ...


class Handler:
    def handle(self, message: object) -> None: ...


APP.register("image", Handler())


def job(body: bytes, **fields: Any) -> ListedJob:
    said = {"id": "j1", "number": 1, "queue": "default", "state": JobState.READY, "priority": 5}
    return ListedJob(**{**said, "body": body, **fields})  # type: ignore[arg-type]


def told(
    headers: dict[str, object], body: object, *, by: Codec | None = None, codec: Codec | None = None
) -> tuple[str | None, Kind] | None:
    encoded = (by or Codec()).encode(headers, body)
    found = misfit(job(encoded), codec or Codec(), APP.registry, now=NOW)
    return None if found is None else (found.type, found.kind)


@pytest.mark.parametrize(
    ("headers", "body", "answer"),
    [
        ({"type": "mail"}, {"to": "a"}, None),
        ({"type": "post"}, {"to": "a", "lang": "de"}, None),
        ({"type": "image"}, object, None),
        ({"type": "mail"}, {"who": "a"}, ("mail", Kind.ARGUMENTS)),
        ({"type": "post"}, None, ("post", Kind.ARGUMENTS)),
        ({"type": "mail"}, [["a"], {}], None),
        ({"type": "mial"}, {"to": "a"}, ("mial", Kind.UNKNOWN_TYPE)),
        # Too late to be run is too late to be run wrongly.
        ({"type": "mail", "expires": NOW - 1}, {}, None),
        ({"type": "mail", "expires": NOW + 1}, {}, ("mail", Kind.ARGUMENTS)),
        # It has bounced for more than a day.
        ({"type": "mial", "bounces": 9, "bounced": 1.0}, {}, ("mial", Kind.UNKNOWN_TYPE)),
    ],
)
def test_a_job_is_judged_as_a_worker_would(
    headers: dict[str, object], body: object, answer: object
) -> None:
    assert told(headers, {} if body is object else body) == answer


def test_a_job_signed_with_a_key_that_nobody_here_knows(caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = Codec([b"ours"]), Codec([b"theirs"])
    headers = {"type": "mail"}

    assert told(headers, {"to": "a"}, by=ours, codec=ours) is None
    assert told(headers, {"to": "a"}, by=theirs, codec=ours) == ("mail", Kind.SIGNATURE)
    assert told(headers, {"to": "a"}, codec=ours) == ("mail", Kind.SIGNATURE)
    inner = theirs.encode(headers, {"to": "a"})
    assert told({"type": "pulpo.undecodable"}, inner, codec=ours) == ("mail", Kind.SIGNATURE)


def test_bytes_that_are_no_job_have_no_type() -> None:
    found = misfit(job(b"\xc1 nothing"), Codec(), APP.registry, now=NOW)

    assert found is not None
    assert (found.type, found.kind, found.id) == (None, Kind.UNDECODABLE, "j1")
    wrapped = told({"type": "pulpo.undecodable"}, b"\xc1 nothing")
    assert wrapped == (None, Kind.UNDECODABLE)


def filled(count: int, clock: ManualClock, *, bad: int = 0) -> Any:
    engine = open_engine("memory://", clock=clock)
    adapter = engine.adapter()
    jobs = []
    for number in range(count):
        body = {"to": "a"} if number >= bad else {"whom": "a"}
        headers = {"type": "mail", "id": f"j{number}", "queue": f"q{number % 2}"}
        encoded = Codec().encode(headers, body)
        jobs.append(NewJob(id=f"j{number}", type="mail", queue=f"q{number % 2}", body=encoded))
    adapter.put(jobs)
    return engine.admin()


def test_a_survey_counts_by_type_and_kind_with_an_example() -> None:
    clock = ManualClock()

    found = survey(filled(1_000, clock, bad=3), Codec(), APP.registry, clock)

    assert (found.looked_at, found.of, found.complete) == (1_000, 1_000, True)
    (failing,) = found.failing
    assert (failing.count, failing.example.id, failing.example.kind) == (3, "j0", Kind.ARGUMENTS)
    assert found.unserved == {"q0": 498, "q1": 499}


def test_a_survey_of_some_queues_leaves_out_the_others() -> None:
    clock = ManualClock()

    found = survey(filled(1_000, clock, bad=3), Codec(), APP.registry, clock, queues=["q1"])

    assert (found.looked_at, found.of, found.complete) == (500, 500, True)
    assert found.failing[0].count == 1


def test_a_survey_that_stops_early_says_so() -> None:
    clock = ManualClock()
    admin = filled(2_000, clock)

    by_number = survey(admin, Codec(), APP.registry, clock, most=600)
    by_time = survey(admin, Codec(), APP.registry, clock, patience=0.0)

    assert (by_number.looked_at, by_number.of, by_number.complete) == (750, 2_000, False)
    assert (by_time.looked_at, by_time.of, by_time.complete) == (0, 2_000, False)
    exact = survey(admin, Codec(), APP.registry, clock, most=2_000, patience=60.0)
    assert exact.complete is True
