"""Goals are looked for in the right row, and met or not; the picture shows the same."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from bench.goals import GOALS, Goal, Verdict, judge
from bench.measures import MEASURES
from bench.plot import draw, reached
from bench.timing import Row

SVG = "{http://www.w3.org/2000/svg}"


def row(measure: str, engine: str, metric: str, pulpo: float, bare: float, against: str) -> Row:
    return Row(
        measure=measure,
        engine=engine,
        metric=metric,
        against=against,
        n=1,
        pulpo=[pulpo],
        bare=[bare],
    )


def verdict(goal: Goal, pulpo: float, bare: float) -> Verdict:
    found = row(goal.measure, goal.engine, goal.metric, pulpo, bare, goal.against or "bare")
    return Verdict(goal=goal, row=found)


def test_a_goal_names_a_measure_an_engine_and_a_loop_that_there_are() -> None:
    loops = {
        (measure.name, engine): list(against)
        for measure in MEASURES
        for engine, against in measure.bare.items()
    }
    for goal in GOALS:
        fitting = [n for n in loops[goal.measure, goal.engine] if n.startswith(goal.against)]
        assert len(fitting) == 1, goal


def test_every_measure_has_a_goal() -> None:
    assert {goal.measure for goal in GOALS} == {measure.name for measure in MEASURES}


def test_a_goal_is_judged_by_the_loop_that_it_names() -> None:
    found = judge(
        [
            row("drain", "beanstalkd", "jobs/s", 40, 60, "raw socket, batches of 128"),
            row("drain", "beanstalkd", "jobs/s", 40, 10, "greenstalk, one by one"),
            row("drain", "beanstalkd", "other", 1, 100, "raw socket, batches of 128"),
        ]
    )

    assert [(one.goal.metric, one.ratio, one.met) for one in found] == [
        ("jobs/s", pytest.approx(0.667, abs=0.001), True)
    ]


@pytest.mark.parametrize(
    ("bounds", "pulpo", "bare", "met"),
    [
        ({"ratio": 0.5}, 50, 100, True),
        ({"ratio": 0.5}, 49, 100, False),
        ({"at_most": 0.3}, 0.3, 0.1, True),
        ({"at_most": 0.3}, 0.31, 0.1, False),
        ({"at_least": 40}, 39, 1, False),
        ({"ratio": 0.3, "at_least": 100_000}, 100_000, 1_000_000, True),
        ({"ratio": 0.3, "at_least": 100_000}, 90_000, 200_000, True),
        ({"ratio": 0.3, "at_least": 100_000}, 90_000, 1_000_000, False),
    ],
)
def test_one_bound_is_enough(
    bounds: dict[str, float], pulpo: float, bare: float, met: bool
) -> None:
    found = verdict(Goal(measure="m", engine="e", metric="jobs/s", **bounds), pulpo, bare)

    assert found.met is met
    assert (reached(found) >= 1) is met


def test_the_picture_has_a_bar_for_each_goal_in_light_and_dark() -> None:
    goals = [
        Goal(measure="fast", engine="a<b", metric="jobs/s", ratio=0.5),
        Goal(measure="slow", engine="file", metric="p99 ms", at_most=1.0),
        Goal(measure="never", engine="file", metric="early", at_most=0),
    ]
    found = [verdict(goals[0], 60, 100), verdict(goals[1], 4, 1), verdict(goals[2], 0, 0)]

    picture = ElementTree.fromstring(draw(found, "2 cores & a disk"))

    bars = [bar for bar in picture.iter(f"{SVG}rect") if bar.get("class") != "back"]
    widths = [int(bar.get("width", "0")) for bar in bars]
    assert [bar.get("class") for bar in bars] == ["met", "unmet", "met"]
    assert widths[1] < widths[0] < widths[2]
    assert "prefers-color-scheme: dark" in (picture.findtext(f"{SVG}style") or "")
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert "2 cores & a disk" in texts
    assert "slow, file, p99 ms" in texts
