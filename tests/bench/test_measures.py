"""Each measure runs, small, and gives a figure for pulpo and one for bare. No time is judged."""

from __future__ import annotations

import math

import pytest

from bench.measure import Measure
from bench.measures import MEASURES, scale, size
from bench.run import run

#: Jobs of a run; where it means something else, or costs a program each, as little as there is.
FEW = {"first_publish": 1, "first_delay": 1, "idle": 50, "delayed": 5, "million": 300}

CASES = [
    pytest.param(measure, engine, id=f"{measure.name}-{engine}")
    for measure in MEASURES
    for engine in sorted({engine.partition("?")[0] for engine in measure.bare})
]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "_PRODUCERS", (1, 2))
    monkeypatch.setattr(scale, "_PROCESSES", (1, 2))
    monkeypatch.setattr(size, "_PROBES", 5)
    monkeypatch.setattr(size, "_HEADSTART", 0.1)


@pytest.mark.parametrize(("measure", "engine"), CASES)
def test_every_measure_gives_its_figures_and_a_ratio(
    measure: Measure,
    engine: str,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if engine in ("beanstalkd", "postgresql"):
        request.getfixturevalue(f"{engine}_program")
    if reason := measure.missing():
        pytest.skip(reason)

    found = run([measure], [engine], n=FEW.get(measure.name, 20), rounds=1).rows

    expected = [
        (name, against)
        for name, loops in measure.bare.items()
        if name.partition("?")[0] == engine
        for against in loops
    ]
    assert list(dict.fromkeys((row.engine, row.against) for row in found)) == expected
    for row in found:
        assert all(map(math.isfinite, [*row.pulpo, *row.bare, *row.ratios]))
        assert len(row.pulpo) == len(row.bare) == 1
    assert all(ratio > 0 for row in found for ratio in row.ratios)
    assert any(row.ratios for row in found)
    assert f"{measure.name} on {engine}" in capsys.readouterr().err


def test_a_measure_that_this_system_cannot_take_is_left_out_with_its_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.run.missing", lambda engine: "no such server")

    assert run(MEASURES, ["beanstalkd"]) == ([], [])
    assert "not measured: drain on beanstalkd: no such server" in capsys.readouterr().err


def test_a_measure_that_breaks_is_named_with_what_its_workers_said_and_the_others_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = [measure for measure in MEASURES if measure.name in ("drain", "publish")]
    monkeypatch.setattr("bench.pulpo_side.MARKS", "NOBODY_READS_THIS")
    monkeypatch.setattr("bench.measure._PATIENCE", 4.0)  # until its worker has spoken

    found = run(chosen, ["sqlite"], n=3, rounds=1)

    said = capsys.readouterr().err
    assert found.broken == ["drain on sqlite"]
    assert {row.measure for row in found.rows} == {"publish"}
    assert "broke: drain on sqlite: 0 of 3 jobs ran, then no more" in said
    assert "PULPO_BENCH_MARKS" in said
