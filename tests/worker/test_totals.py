"""What processes have counted, summed in another one."""

from __future__ import annotations

import json

import pytest

from pulpo.job import Verb
from pulpo.worker.decide import EXPIRED, RELEASED, SUCCESS, Ending, Verdict
from pulpo.worker.tally import Tally
from pulpo.worker.totals import BUCKETS, OUTCOMES, Totals, as_facts
from tests.worker.stage import run_of

BURIED = Verdict(Ending.BURIED, Verb.BURY)


def ran(**headers: object):  # type: ignore[no-untyped-def]
    run = run_of(**headers)
    run.started = 1.0
    return run


def handed_over(tally: Tally, totals: Totals) -> None:
    """Let the totals have what was counted, as it travels through the pipe."""
    totals.add(json.loads(json.dumps(as_facts(tally.fetch(0.0)))))


def test_what_was_counted_is_added_up_once() -> None:
    one, two, totals = Tally(), Tally(), Totals()
    for tally in (one, two):
        tally.count([(ran(), SUCCESS, 0.02)])
        tally.count([(ran(), BURIED, 7.0)])
        handed_over(tally, totals)
        handed_over(tally, totals)
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
    tally, totals = Tally(), Totals()
    tally.count([(ran(), SUCCESS, 0.005)])
    handed_over(tally, totals)

    assert totals.runs["default", "t"][0] == 1


def test_what_did_not_run_has_no_runtime() -> None:
    tally, totals = Tally(), Totals()
    tally.count([(run_of(), EXPIRED, 0.0)])
    handed_over(tally, totals)

    assert totals.jobs["default", "t"]["expired"] == 1
    assert totals.runs == {}


@pytest.mark.parametrize("verdict", [RELEASED, Verdict(Ending.BOUNCED, Verb.REPLACE)])
def test_what_has_come_to_no_end_is_not_counted(verdict: Verdict) -> None:
    tally = Tally()
    tally.count([(ran(), verdict, 1.0)])

    assert as_facts(tally.fetch(0.0)) == {}
