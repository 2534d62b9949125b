"""A wrong call raises at the call, names what is wrong, and puts nothing; through every door.

What each single check says is in `tests/unit`; here the queue itself is asked whether it stayed
empty.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import pulpo
from pulpo.app import Pulpo
from tests.acceptance.command_line import CommandLine
from tests.lab.place import Place
from tests.lab.processes import ROOT

Call = Callable[[Pulpo, Any], object]
NAIVE = datetime(2030, 1, 1)  # that it is naive is the point
INJECTION = "x\r\nput 0 0 60 5\r\npwned"


def message(**fields: Any) -> pulpo.Message:
    return pulpo.Message(**{"type": "mail.welcome", **fields})


CALLS: dict[str, tuple[Call, type[Exception], str]] = {
    "a missing argument": (lambda app, job: job.delay(), TypeError, "user_id"),
    "one too many": (lambda app, job: job.delay(1, 2), TypeError, "positional"),
    "an unknown one": (lambda app, job: job.delay(1, langue="de"), TypeError, "langue"),
    "a value with no place on the wire": (
        lambda app, job: job.delay(object()),
        TypeError,
        "object",
    ),
    "a number beyond 64 bits": (lambda app, job: job.delay(2**64), Exception, "64"),
    "a naive moment": (lambda app, job: job.schedule_at(NAIVE, 1), ValueError, "time zone"),
    "a moment that is text": (lambda app, job: job.schedule_at("9:00", 1), TypeError, "'9:00'"),
    "a negative delay": (lambda app, job: job.schedule_in(-1, 1), ValueError, "-1"),
    "a delay that is no number": (
        lambda app, job: job.schedule_in(float("nan"), 1),
        ValueError,
        "nan",
    ),
    "a delay beyond the range": (lambda app, job: job.schedule_in(2.0**32, 1), ValueError, "delay"),
    "a delay in no unit": (lambda app, job: job.schedule_in("5 cats", 1), ValueError, "'5 cats'"),
    "an unknown option": (lambda app, job: job.using(prio=1), TypeError, "'prio'"),
    "a negative priority": (lambda app, job: job.using(priority=-1).delay(1), ValueError, "-1"),
    "a priority beyond 32 bits": (
        lambda app, job: job.using(priority=2**32).delay(1),
        ValueError,
        "4294967296",
    ),
    "a fraction as priority": (lambda app, job: job.using(priority=1.5), TypeError, "1.5"),
    "True as priority": (lambda app, job: job.using(priority=True), TypeError, "True"),
    "a queue that is a command": (lambda app, job: job.using(queue=INJECTION), ValueError, "pwned"),
    "one bad call among good ones": (
        lambda app, job: job.delay_many([(1,), (2,), ()]),
        TypeError,
        "user_id",
    ),
    "text as a batch": (lambda app, job: job.delay_many("123"), TypeError, "'123'"),
    "a message that is none": (lambda app, job: app.publish({"type": "x"}), TypeError, "'x'"),
    "a job that was called": (lambda app, job: app.publish(job(1)), TypeError, "Message"),
    "one that is none among messages": (
        lambda app, job: app.publish_many([message(), None]),
        TypeError,
        "None",
    ),
    "a lease that is too short": (
        lambda app, job: app.publish(message(ttr=1)),
        ValueError,
        "5s to 1d",
    ),
    "pulpo's own header": (
        lambda app, job: app.publish(message(headers={"failures": 3})),
        ValueError,
        "'failures'",
    ),
    "a header that is no text": (
        lambda app, job: app.publish(message(headers={3: 4})),
        TypeError,
        "3",
    ),
    "a delay and a moment": (
        lambda app, job: app.publish(message(delay=1, at=datetime.now(UTC))),
        ValueError,
        "not both",
    ),
    "a type with a line end": (
        lambda app, job: app.publish(message(type=INJECTION)),
        ValueError,
        "pwned",
    ),
    "a body that contains itself": (
        lambda app, job: app.publish(message(body=endless())),
        Exception,
        "deep",
    ),
    "a job that is too big": (
        lambda app, job: app.publish(message(body=b"x" * 100_000_000)),
        pulpo.JobTooBigError,
        "100000",
    ),
    "an expiry in the far past": (
        lambda app, job: app.publish(message(expires=timedelta(days=-1))),
        ValueError,
        "expires",
    ),
}


def endless() -> list[object]:
    found: list[object] = []
    found.append(found)
    return found


def test_a_wrong_call_raises_names_what_is_wrong_and_puts_nothing(place: Place) -> None:
    with place.app() as app:

        @app.job(type="mail.welcome")
        def welcome(user_id: int, *, lang: str = "en") -> None: ...

        for what, (call, kind, names) in CALLS.items():
            with pytest.raises(kind) as caught:
                call(app, welcome)
            assert names in str(caught.value), f"{what}: {caught.value}"
            assert isinstance(caught.value, pulpo.PulpoError), what
        good = welcome.delay(1)

    assert [job["id"] for job in place.waiting()] == [good.id]


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("redis://localhost", "'redis'"),
        ("sqlite://queue.db", "queue.db"),
        ("sqlite:///queue.db?sync=never", "'never'"),
        ("sqlite:///queue.db?color=red", "'color'"),
        ("beanstalkd://localhost:99999", "99999"),
        ("beanstalkd://localhost:0", "port"),
        ("beanstalkd://", "beanstalkd://"),
        ("beanstalkd://localhost/path", "path"),
        ("beanstalkd://user:secret@localhost", "no users"),
        ("beanstalkds://localhost?ca=/nowhere.pem", "/nowhere.pem"),
        ("beanstalkd+unix://socket", "socket"),
        ("not a url", "not a url"),
    ],
)
def test_a_wrong_url_is_refused_before_anything_is_opened(
    file_place: Place, url: str, names: str
) -> None:
    with pytest.raises(pulpo.UsageError) as caught:
        Pulpo(url)
    assert names in str(caught.value)
    assert "secret" not in str(caught.value)
    said = CommandLine(file_place.folder, "")("--url", url, "publish", "mail.welcome")
    assert (said.code, said.out, len(said.err.splitlines()) <= 2) == (2, "", True)
    assert names in said.err
    assert "secret" not in said.err
    assert not list(file_place.folder.glob("*.db"))


def test_a_queue_that_is_out_of_reach_is_one_line_and_exit_code_4(
    beanstalkd_place: Place,
) -> None:
    assert beanstalkd_place.server is not None
    beanstalkd_place.server.stop()

    for arguments in (
        ["publish", "mail.welcome"],
        ["stats"],
        ["jobs", "list", "--json"],
        ["jobs", "show", "1"],
        ["jobs", "kick", "--all", "-q", "default"],
        ["pause", "default"],
        ["worker", "tests.lab.tasks", "--burst"],
    ):
        said = beanstalkd_place.pulpo(
            *arguments,
            LEDGER=str(beanstalkd_place.ledger.folder),
            PYTHONPATH=str(ROOT),
        )
        assert (said.code, said.out) == (4, ""), arguments
        assert "Traceback" not in said.err
        assert said.err.splitlines()[-1].count(beanstalkd_place.server.host) >= 1, said.err
        if arguments[0] != "worker":
            assert len(said.err.splitlines()) == 1
