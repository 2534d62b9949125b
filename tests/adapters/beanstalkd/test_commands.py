"""Commands as bytes: whatever could be a second command is refused right before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo.adapters.beanstalkd import commands
from pulpo.errors import PulpoError
from pulpo.job import NewJob

JOB = NewJob(id="one", type="t", queue="default", body=b"a body")
NO_NUMBER = [-1, 2**64, 1.0, 1.5, True, "1", "1\r\ndelete 2", b"1", None, float("nan")]
NO_SMALL_NUMBER = [*NO_NUMBER, 2**32]
NO_NAME = ["", "a b", "a\r\ndelete 1", "a\n", "\u00e9", "-a", "a" * 201, None, b"default"]


@pytest.mark.parametrize("number", NO_NUMBER, ids=repr)
@pytest.mark.parametrize(
    "command",
    [
        commands.delete,
        commands.touch,
        commands.take,
        commands.peek,
        commands.stats_job,
        lambda number: commands.release(number, 0, 0),
        lambda number: commands.bury(number, 0),
    ],
)
def test_what_is_no_number_names_no_job(command: Callable[..., bytes], number: object) -> None:
    with pytest.raises(PulpoError, match="job"):
        command(number)


@pytest.mark.parametrize("number", NO_SMALL_NUMBER, ids=repr)
@pytest.mark.parametrize(
    "command",
    [
        lambda value: commands.put(replace(JOB, priority=value), delay=0),
        lambda value: commands.put(JOB, delay=value),
        lambda value: commands.release(1, value, 0),
        lambda value: commands.release(1, 0, value),
        lambda value: commands.bury(1, value),
        lambda value: commands.reserve(value),
    ],
)
def test_what_is_no_number_is_no_priority_no_delay_and_no_timeout(
    command: Callable[..., bytes], number: object
) -> None:
    with pytest.raises(PulpoError):
        command(number)


@pytest.mark.parametrize("name", NO_NAME, ids=repr)
@pytest.mark.parametrize(
    "command",
    [
        commands.use,
        lambda name: commands.watch_only([name], ["default"]),
        lambda name: commands.watch_only(["default"], [name]),
    ],
)
def test_what_is_no_name_is_no_queue(command: Callable[..., object], name: object) -> None:
    with pytest.raises(PulpoError, match="queue"):
        command(name)


@given(body=st.binary(), priority=st.integers(0, 2**32 - 1), delay=st.integers(0, 2**32 - 1))
def test_a_put_announces_exactly_the_bytes_of_its_body(
    body: bytes, priority: int, delay: int
) -> None:
    line, _, rest = commands.put(replace(JOB, body=body, priority=priority), delay=delay).partition(
        b"\r\n"
    )

    assert line.split() == [b"put", b"%d" % priority, b"%d" % delay, b"60", b"%d" % len(body)]
    assert rest == body + b"\r\n"


@given(st.text())
def test_a_use_is_one_line_or_nothing(name: str) -> None:
    try:
        command = commands.use(name)
    except PulpoError:
        return
    assert command == b"use " + name.encode("ascii") + b"\r\n"
