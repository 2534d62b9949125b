"""Counting in one process, summing in another."""

from __future__ import annotations

import json

import pytest

from pulpo.job import Verb
from pulpo.worker.decide import EXPIRED, RELEASED, SUCCESS, Ending, Verdict
from pulpo.worker.metering import BUCKETS, OUTCOMES, Totals, report
from pulpo.worker.tally import Reader, Tally
from tests.worker.stage import run_of

BURIED = Verdict(Ending.BURIED, Verb.BURY)


def ran(**headers: object):  # type: ignore[no-untyped-def]
    run = run_of(**headers)
    run.started = 1.0
    return run


def a_meter() -> Tally:
    return Tally(Reader.HTTP)


def handed_over(meter: Tally, totals: Totals) -> None:
    """Let the totals have what was counted, as it travels through the pipe."""
    totals.add(json.loads(json.dumps(report(meter.fetch(Reader.HTTP, 1_800_000_000.0)))))


def test_what_was_counted_is_added_up_once() -> None:
    one, two, totals = a_meter(), a_meter(), Totals()
    for meter in (one, two):
        meter.count([(ran(), SUCCESS, 0.02)])
        meter.count([(ran(), BURIED, 7.0)])
        handed_over(meter, totals)
        handed_over(meter, totals)
    one.count([(ran(), SUCCESS, 1_000.0)])
    handed_over(one, totals)

    (outcomes,) = totals.jobs.values()
    assert list(outcomes) == list(OUTCOMES)
    assert {name: count for name, count in outcomes.items() if count} == {
        "success": 3,
        "buried": 2,
    }
    (counts,) = totals.runs.values()
    buckets = dict(zip([*BUCKETS, float("inf")], counts, strict=False))
    assert {bound: count for bound, count in buckets.items() if count} == {
        0.025: 2,
        10.0: 2,
        float("inf"): 1,
    }
    assert counts[-1] == pytest.approx(1_014.04)


def test_a_runtime_that_is_a_bound_is_within_it() -> None:
    meter, totals = a_meter(), Totals()
    meter.count([(ran(), SUCCESS, 0.005)])
    handed_over(meter, totals)

    assert totals.runs["default", "t"][0] == 1


def test_what_did_not_run_has_no_runtime() -> None:
    meter, totals = a_meter(), Totals()
    meter.count([(run_of(), EXPIRED, 0.0)])
    handed_over(meter, totals)

    assert totals.jobs["default", "t"]["expired"] == 1
    assert totals.runs == {}


@pytest.mark.parametrize("verdict", [RELEASED, Verdict(Ending.BOUNCED, Verb.REPLACE)])
def test_what_has_come_to_no_end_is_not_counted(verdict: Verdict) -> None:
    meter = a_meter()
    meter.count([(ran(), verdict, 1.0)])

    assert report(meter.fetch(Reader.HTTP, 0.0)) == {}
