"""The pipe between a worker process and its supervisor."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulpo.worker.report import Reporter, Reports
from tests.worker.stage import until


@pytest.fixture
def ends() -> Iterator[tuple[Reports, int]]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    reports = Reports(reading)
    yield reports, writing
    reports.close()
    os.close(writing)


def test_a_loop_beats_at_most_once_a_second(ends: tuple[Reports, int]) -> None:
    reports, writing = ends
    reporter = Reporter(writing)
    for tenth in range(100, 131):
        reporter.beat(tenth / 10)

    assert reports.read() == [{}, {}, {}, {}]


def test_facts_arrive_as_they_were_told(ends: tuple[Reports, int]) -> None:
    reports, writing = ends
    Reporter(writing).tell(ready={"queues": ["a\nb"]}, done=True)

    assert reports.read() == [{"ready": {"queues": ["a\nb"]}, "done": True}]


def test_half_a_line_waits_for_its_other_half(ends: tuple[Reports, int]) -> None:
    reports, writing = ends
    os.write(writing, b'{"done": t')
    assert reports.read() == []
    os.write(writing, b"rue}\n")

    assert reports.read() == [{"done": True}]


def test_a_supervisor_that_does_not_read_stops_no_beat(ends: tuple[Reports, int]) -> None:
    reporter = Reporter(ends[1])
    for second in range(100_000):
        reporter.beat(float(second))

    assert ends[0].read()


def test_no_beat_goes_into_a_file_that_has_got_the_pipes_number(
    ends: tuple[Reports, int], tmp_path: Path
) -> None:
    reporter = Reporter(ends[1])
    stranger = os.open(tmp_path / "stranger", os.O_RDWR | os.O_CREAT)
    os.dup2(stranger, ends[1])
    os.close(stranger)

    with pytest.raises(OSError, match="closed by somebody else"):
        reporter.beat(1.0)
    with pytest.raises(OSError, match="closed by somebody else"):
        reporter.tell(ready=True)
    assert (tmp_path / "stranger").read_bytes() == b""


def test_a_supervisor_that_is_gone_is_noticed() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    with pytest.raises(BrokenPipeError):
        Reporter(writing).beat(1.0)
    os.close(writing)


def test_a_fact_that_is_bigger_than_the_pipe_arrives_whole(ends: tuple[Reports, int]) -> None:
    reports, writing = ends
    types = [f"type.{n}" for n in range(50_000)]
    told: list[dict[str, object]] = []

    teller = threading.Thread(target=lambda: Reporter(writing).tell(types=types))
    teller.start()
    until(lambda: told.extend(reports.read()) or told, "the whole fact")
    teller.join(5)

    assert told == [{"types": types}]
    assert not os.get_blocking(writing)  # the next beat must not wait


def test_beats_that_found_no_room_cut_no_line(ends: tuple[Reports, int]) -> None:
    reports, writing = ends
    reporter = Reporter(writing)
    for second in range(100_000):
        reporter.beat(float(second))
    read = [fact for _ in range(8) for fact in reports.read()]

    reporter.tell(done=True)

    assert set(map(str, read)) == {"{}"}
    assert reports.read() == [{"done": True}]


def test_facts_that_are_larger_than_the_pipe_arrive_over_several_beats(
    ends: tuple[Reports, int],
) -> None:
    reports, writing = ends
    reporter = Reporter(writing)
    many = {"jobs": [["queue", f"type.{n}", "success", n] for n in range(20_000)]}
    asked = iter([many, {"jobs": "more"}])
    reporter.facts = lambda: next(asked)

    told: list[dict[str, object]] = []
    for second in range(100):
        reporter.beat(float(second))
        told += reports.read()
        if told:
            break
    reporter.beat(1_000.0)
    reporter.facts = dict
    reporter.tell(done=True)
    for _ in range(3):
        told += reports.read()

    assert told == [many, {"jobs": "more"}, {"done": True}]


def test_what_found_no_room_with_a_beat_goes_before_the_last_word(
    ends: tuple[Reports, int],
) -> None:
    reports, writing = ends
    reporter = Reporter(writing)
    for beats in (100, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b"{}\n" * beats)
    reporter.facts = lambda: {"jobs": 7}
    reporter.beat(0.0)
    while reports.read():
        pass

    reporter.tell(done=True)

    assert reports.read() == [{"jobs": 7}, {"done": True}]


def test_of_a_process_that_is_gone_its_last_words_are_read_and_then_nothing() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    reports = Reports(reading)
    Reporter(writing).tell(done=True)
    os.write(writing, b'{"half a')
    os.close(writing)

    assert reports.read() == [{"done": True}]
    assert (reports.read(), reports.read()) == ([], [])
    reports.close()
