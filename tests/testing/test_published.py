"""What was published is found by what a test says of it, and a failure shows what was."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import ANY

import pytest

import pulpo
from pulpo import Pulpo
from pulpo.function import JobFunction
from pulpo.testing import (
    TrialQueue,
    assert_published,
    drain,
    published,
    refute_published,
)


@pytest.fixture
def welcome(app: Pulpo) -> JobFunction[..., None]:
    @app.job(type="mail.welcome", queue="mail")
    def welcome(user_id: int, *, lang: str = "en") -> None: ...

    return welcome


@pytest.fixture
def resize(app: Pulpo) -> JobFunction[..., None]:
    @app.job(type="image.resize")
    def resize(path: str, /, *sizes: int, **options: object) -> None: ...

    return resize


@pytest.mark.parametrize(
    ("wanted", "is_found"),
    [
        ({}, True),
        ({"args": (7,)}, True),
        ({"args": [7]}, True),
        ({"args": (8,)}, False),
        ({"args": {"user_id": 7}}, True),
        ({"args": {"lang": "de"}}, True),
        ({"args": {"user_id": 7, "lang": "de"}}, True),
        ({"args": {"lang": "en"}}, False),
        ({"args": {"language": "de"}}, False),
        ({"args": (7, "de")}, True),
        ({"args": (7, "de", "x")}, False),
        ({"args": (ANY,)}, True),
        ({"queue": "mail"}, True),
        ({"queue": "default"}, False),
        ({"due_in": "10m"}, True),
        ({"due_in": timedelta(minutes=10)}, True),
        ({"due_in": 601}, True),
        ({"due_in": 602}, False),
        ({"due_in": 0}, False),
        ({"due_in": ("9m", "11m")}, True),
        ({"due_in": ("11m", "1h")}, False),
    ],
)
@pytest.mark.parametrize("by_name", [False, True])
def test_a_job_is_found_by_what_is_said_of_it(
    queue: TrialQueue, welcome: JobFunction[..., None], wanted, is_found: bool, by_name: bool
) -> None:
    welcome.using(delay="10m").delay(7, lang="de")
    type = "mail.welcome" if by_name else welcome

    assert bool(published(type, **wanted)) is is_found
    if is_found:
        assert assert_published(type, **wanted).args == {"user_id": 7, "lang": "de"}
        with pytest.raises(AssertionError, match=r"was published, type mail\.welcome"):
            refute_published(type, **wanted)
    else:
        refute_published(type, **wanted)
        with pytest.raises(AssertionError, match=r"was not published, type mail\.welcome"):
            assert_published(type, **wanted)


def test_defaults_are_known_where_the_function_is(
    queue: TrialQueue, welcome: JobFunction[..., None]
) -> None:
    welcome.delay(7)

    assert_published(welcome, args={"lang": "en"})
    refute_published("mail.welcome", args={"lang": "en"})


def test_arguments_that_travel_in_two_parts_are_compared_by_name_too(
    queue: TrialQueue, resize: JobFunction[..., None]
) -> None:
    resize.delay("a.png", 100, 200, crop=True)

    assert_published(resize, args=("a.png", [100, 200]))
    assert_published(resize, args={"sizes": (100, 200), "options": {"crop": True}})
    assert_published("image.resize", args={"crop": True})
    assert_published("image.resize", args=("a.png", 100))
    refute_published(resize, args=("b.png",))


def test_a_message_without_names_is_compared_as_a_whole(app: Pulpo, queue: TrialQueue) -> None:
    app.publish(pulpo.Message(type="t", body=[1, 2]))

    assert_published("t", args=(1, 2))
    refute_published("t", args=(1,))
    refute_published("t", args={"a": 1})


def test_what_has_run_was_published_and_what_failed_to_be_was_not(
    app: Pulpo, queue: TrialQueue, welcome: JobFunction[..., None]
) -> None:
    welcome.delay(7)
    assert drain().succeeded == 1
    with pytest.raises(pulpo.JobTooBigError):
        welcome.delay(1, lang="x" * 100_000)

    (job,) = published()
    assert (job.type, job.queue, job.due_in, job.priority) == ("mail.welcome", "mail", 0.0, 65536)


def test_a_date_counts_from_the_moment_of_its_publication(
    queue: TrialQueue, welcome: JobFunction[..., None]
) -> None:
    welcome.schedule_at(queue.clock.now + timedelta(hours=2), 1)
    queue.clock.advance("1h")
    welcome.schedule_at(queue.clock.now + timedelta(hours=2), 2)

    assert [job.due_in for job in published()] == [7_200.0, 7_200.0]


def test_times_are_counted(queue: TrialQueue, welcome: JobFunction[..., None]) -> None:
    welcome.delay_many([(1,), (2,)])

    assert_published(welcome, times=2)
    with pytest.raises(AssertionError, match=r"published 2 times, not 1: type mail.welcome\n"):
        assert_published(welcome, times=1)
    with pytest.raises(pulpo.UsageError, match="refute_published: 0"):
        assert_published(welcome, times=0)


def test_a_failure_shows_the_nearest_first_and_in_what_each_differs(
    app: Pulpo, queue: TrialQueue, welcome: JobFunction[..., None]
) -> None:
    app.publish(pulpo.Message(type="mail.goodbye", body={"user_id": 8}))
    welcome.delay(7)
    welcome.using(queue="bulk", delay="1h").delay(8, lang="de")

    with pytest.raises(AssertionError) as caught:
        assert_published(welcome, args={"user_id": 8}, queue="mail", due_in="2h")

    assert str(caught.value).splitlines() == [
        "was not published, type mail.welcome, args {'user_id': 8}, queue mail, due in 2h; "
        "what was, the nearest first:",
        "  mail.welcome(user_id=7) in queue mail  <- user_id is 7, due in 0s",
        "  mail.welcome(user_id=8, lang='de') in queue bulk due in 1h  <- queue is bulk, due in 1h",
        "  mail.goodbye(user_id=8) in queue default  <- type is mail.goodbye, queue is default, "
        "due in 0s",
    ]


def test_a_failure_without_anything_says_so_and_long_ones_are_cut(
    queue: TrialQueue, welcome: JobFunction[..., None]
) -> None:
    with pytest.raises(AssertionError, match="was not published, anything; nothing was"):
        assert_published()

    welcome.delay_many([(n,) for n in range(50)])
    welcome.delay(0, lang="x" * 5_000)
    with pytest.raises(AssertionError) as caught:
        assert_published("other")
    assert str(caught.value).splitlines()[-1] == "  and 41 more"
    with pytest.raises(AssertionError) as caught:
        refute_published(args={"lang": "x" * 5_000})
    assert len(str(caught.value)) < 1_000


def test_wrong_calls_name_what_is_wrong(queue: TrialQueue, welcome: JobFunction[..., None]) -> None:
    for wrong, told in [
        ({"type": 7}, "type must be a job function or its type as text: 7"),
        ({"args": "abc"}, "args must be a tuple of arguments or a dict of named ones: 'abc'"),
        ({"queue": 7}, "queue must be text: 7"),
        ({"due_in": "soon"}, "due_in must be like '90s'"),
        ({"due_in": ("1h", "1m")}, "due_in must name the shorter duration first"),
        ({"due_in": ("1h",)}, "due_in must be a duration, or a pair of the least and most"),
    ]:
        with pytest.raises(pulpo.UsageError, match=told):
            published(**wrong)
    with pytest.raises(pulpo.UsageError, match="state must be ready, delayed"):
        queue.jobs(state="dead")


def test_without_a_test_queue_nothing_is_touched() -> None:
    for call in (published, assert_published, refute_published, drain):
        with pytest.raises(pulpo.UsageError, match="ask for the fixture pulpo_queue"):
            call()
