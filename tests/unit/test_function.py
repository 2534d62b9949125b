"""A job function: the plain function that it was, and the producer's verbs beside it."""

import asyncio
import copy
import functools
import inspect
import pickle
from datetime import UTC, datetime, timedelta

import pytest

import pulpo
from pulpo.clock import ManualClock
from pulpo.envelope import Envelope
from pulpo.errors import EncodeError, UnknownOptionError, UsageError, WrongTypeError
from pulpo.job import Job, JobState
from pulpo.run import Run

NOW = 1_800_000_000.0
LATER = datetime.fromtimestamp(NOW, UTC) + timedelta(hours=2)


@pytest.fixture
def app():
    with pulpo.Pulpo("memory://", clock=ManualClock(NOW)) as app:
        yield app


@pytest.fixture
def welcome(app):
    @app.job(type="mail.welcome", queue="mail", priority=pulpo.HIGH, retries=8)
    def welcome(user_id: int, *, lang: str = "en") -> str:
        """Say hello."""
        return f"{user_id} {lang}"

    return welcome


def waiting(app):
    """What waits in the app's queue: the jobs as an operator sees them, and their envelopes."""
    jobs = app.engine.admin().list(limit=1000)
    return [(job, app.codec.decode(job.body)) for job in jobs]


def only(app):
    (found,) = waiting(app)
    return found


def run_of(job_type, body):
    return Run(
        Job(number=1, body=b""), Envelope({"type": job_type.type, "id": "x"}, body), job_type
    )


def test_a_job_is_still_the_plain_function(app, welcome):
    assert welcome(7) == "7 en"
    assert welcome(7, lang="de") == "7 de"
    assert waiting(app) == []


def test_the_function_can_still_be_looked_at(welcome):
    assert str(inspect.signature(welcome)) == "(user_id: int, *, lang: str = 'en') -> str"
    assert welcome.__doc__ == "Say hello."
    assert welcome.__name__ == "welcome"
    assert welcome.__module__ == __name__
    assert set(welcome.__annotations__) == {"user_id", "lang", "return"}
    assert callable(welcome)
    assert inspect.isfunction(welcome)
    assert "mail.welcome" in repr(welcome)


def test_delay_puts_a_job(app, welcome):
    ref = welcome.delay(7, lang="de")
    job, envelope = only(app)

    assert ref == pulpo.JobRef(job.id, "mail")
    assert (job.queue, job.priority, job.state) == ("mail", pulpo.HIGH, JobState.READY)
    assert (envelope.type, envelope.id) == ("mail.welcome", ref.id)
    assert envelope.body == {"user_id": 7, "lang": "de"}


def test_only_what_is_not_usual_is_said_in_headers(app, welcome):
    @app.job
    def plain(): ...

    plain.delay()
    welcome.delay(7)
    headers = {envelope.type.rpartition(".")[2]: envelope.headers for _, envelope in waiting(app)}

    assert set(headers["plain"]) == {"type", "id"}
    assert set(headers["welcome"]) == {"type", "id", "queue", "priority"}


def test_without_options_the_type_is_module_and_name(app):
    @app.job
    def plain(): ...

    @app.job()
    def with_parentheses(): ...

    here = f"{__name__}.test_without_options_the_type_is_module_and_name.<locals>"
    assert plain.job_type.type == f"{here}.plain"
    assert with_parentheses.job_type.type == f"{here}.with_parentheses"


def test_a_wrong_call_is_a_type_error_and_puts_nothing(app, welcome):
    for call in (
        lambda: welcome.delay(),
        lambda: welcome.delay(1, 2),
        lambda: welcome.delay(1, language="de"),
        lambda: welcome.delay(1, user_id=1),
        lambda: welcome.schedule_at(LATER),
        lambda: welcome.schedule_in(1),
        lambda: welcome.message(),
        lambda: welcome.delay_many([(1,), ()]),
        lambda: welcome.delay_many([(1,), {"user": 1}]),
        lambda: asyncio.run(welcome.adelay()),
    ):
        with pytest.raises(TypeError, match=r"welcome\(\) "):
            call()
    assert waiting(app) == []


def test_a_value_that_cannot_travel_is_a_type_error_and_puts_nothing(app, welcome):
    for call in (
        lambda: welcome.delay(object()),
        lambda: welcome.delay_many([(1,), (object(),)]),
    ):
        with pytest.raises(EncodeError, match="'object'"):
            call()
    assert waiting(app) == []


def test_a_job_that_is_too_big_is_refused_with_both_numbers(app, welcome):
    for call in (
        lambda: welcome.delay("x" * 65_535),
        lambda: welcome.delay_many([(1,), ("x" * 65_535,)]),
    ):
        with pytest.raises(
            pulpo.JobTooBigError, match=r"has 65\d+ bytes; memory takes at most 65\d+"
        ):
            call()
    assert waiting(app) == []


def test_schedule_at_takes_an_aware_datetime(app, welcome):
    welcome.schedule_at(LATER, 7)
    job, envelope = only(app)

    assert (job.state, job.due) == (JobState.DELAYED, 7_200.0)
    assert envelope.body == {"user_id": 7}


def test_schedule_at_in_the_past_is_now(app, welcome):
    welcome.schedule_at(datetime(1960, 1, 1, tzinfo=UTC), 7)

    assert only(app)[0].state is JobState.READY


@pytest.mark.parametrize("when", [None, "tomorrow", 1_800_000_000, datetime(2027, 1, 1)])
def test_schedule_at_takes_nothing_else(app, welcome, when):
    with pytest.raises(UsageError, match="when must"):
        welcome.schedule_at(when, 7)
    assert waiting(app) == []


def test_a_moment_that_no_queue_can_wait_for_is_refused(app, welcome):
    with pytest.raises(UsageError, match="at must be at most 136 years from now"):
        welcome.schedule_at(datetime(9000, 1, 1, tzinfo=UTC), 7)
    with pytest.raises(UsageError, match="expires must be in the years"):
        welcome.using(expires="9999999999999s").delay(7)
    assert waiting(app) == []


@pytest.mark.parametrize("delay", [600, "10m", timedelta(minutes=10)])
def test_schedule_in_takes_a_duration(app, welcome, delay):
    welcome.schedule_in(delay, 7)

    assert only(app)[0].due == 600.0


@pytest.mark.parametrize("delay", [None, "soon", -1, []])
def test_schedule_in_takes_nothing_else(app, welcome, delay):
    with pytest.raises(UsageError, match="delay must"):
        welcome.schedule_in(delay, 7)
    assert waiting(app) == []


def test_a_parameter_may_have_any_name(app):
    @app.job
    def odd(when, delay, self, message, function): ...

    odd.delay(1, delay=2, self=3, message=4, function=5)
    odd.schedule_in(1, when=1, delay=2, self=3, message=4, function=5)
    odd.schedule_at(LATER, when=1, delay=2, self=3, message=4, function=5)
    body = {"when": 1, "delay": 2, "self": 3, "message": 4, "function": 5}

    assert [envelope.body for _, envelope in waiting(app)] == [body] * 3


def test_using_says_options_for_one_call(app, welcome):
    welcome.using(
        queue="other", priority=0, expires="1h", delay="5m", ttr=90, headers={"tenant": "acme"}
    ).delay(7)
    job, envelope = only(app)

    assert (job.queue, job.priority, job.due, job.ttr) == ("other", 0, 300.0, 90.0)
    assert envelope.expires == NOW + 3_600
    assert envelope.user_headers() == {"tenant": "acme"}
    assert (envelope.queue, envelope.priority, envelope.ttr) == ("other", 0, 90.0)


def test_using_leaves_the_function_as_it_was(app, welcome):
    assert welcome.using(priority=0) is not welcome
    welcome.delay(7)

    assert only(app)[0].priority == pulpo.HIGH


def test_using_can_be_chained(app, welcome):
    first = welcome.using(priority=1, headers={"a": 1, "b": 1}, delay="5m")
    first.using(priority=2, headers={"b": 2}, at=LATER).delay(7)
    job, envelope = only(app)

    assert (job.priority, job.due) == (2, 7_200.0)
    assert envelope.user_headers() == {"a": 1, "b": 2}


def test_a_copy_has_all_the_verbs_and_is_still_the_function(app, welcome):
    urgent = welcome.using(priority=0)
    urgent.delay(1)
    urgent.schedule_in(1, 2)
    urgent.schedule_at(LATER, 3)
    urgent.delay_many([(4,), {"user_id": 5}])
    asyncio.run(urgent.adelay(6))

    assert [job.priority for job, _ in waiting(app)] == [0] * 6
    assert urgent(7) == "7 en"
    assert urgent.job_type is welcome.job_type


def test_a_copy_does_not_see_later_changes_of_the_headers_it_was_given(app, welcome):
    headers = {"tenant": "acme"}
    copied = welcome.using(headers=headers)
    headers["tenant"] = "other"
    copied.delay(7)

    assert only(app)[1].user_headers() == {"tenant": "acme"}


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"prioritty": 1}, UnknownOptionError, "'prioritty'; did you mean 'priority'"),
        ({"fatal": OSError}, UnknownOptionError, "unknown option 'fatal'"),
        ({"priority": -1}, UsageError, "priority must be 0"),
        ({"queue": "a b"}, UsageError, "queue must be"),
        ({"delay": "soon"}, UsageError, "delay must be like"),
        ({"delay": 1, "at": LATER}, UsageError, "delay or at, not both"),
        ({"at": datetime(2027, 1, 1)}, UsageError, "at must say its time zone"),
        ({"expires": "x"}, UsageError, "expires must be like"),
        ({"ttr": 1}, UsageError, "ttr must be 5s to 1d: 1"),
        ({"headers": {"type": 1}}, UsageError, "header 'type' is pulpo's own"),
        ({"headers": [1]}, WrongTypeError, "headers must be a mapping"),
    ],
)
def test_a_wrong_option_is_refused_where_it_is_said(welcome, options, kind, words):
    with pytest.raises(kind, match=words):
        welcome.using(**options)


def test_delay_many_takes_tuples_and_dicts(app, welcome):
    refs = welcome.delay_many([(1,), [2], {"user_id": 3, "lang": "fr"}])
    found = {job.id: envelope.body for job, envelope in waiting(app)}

    assert [found[ref.id] for ref in refs] == [
        {"user_id": 1},
        {"user_id": 2},
        {"user_id": 3, "lang": "fr"},
    ]
    assert {ref.queue for ref in refs} == {"mail"}


def test_delay_many_takes_any_iterable_and_an_empty_one(app, welcome):
    assert welcome.delay_many([]) == []
    assert len(welcome.delay_many((number,) for number in range(3))) == 3


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([1], "a call must be a tuple of arguments or a dict of named ones: 1"),
        (["ab"], "a call must be a tuple"),
        ({"user_id": 1}, "calls must be a list"),
        ("ab", "calls must be a list"),
        (1, "calls must be a list"),
    ],
)
def test_delay_many_takes_nothing_else(app, welcome, calls, words):
    with pytest.raises(WrongTypeError, match=words):
        welcome.delay_many(calls)
    assert waiting(app) == []


def test_delay_is_publishing_its_message(app, welcome):
    message = welcome.message(7, lang="de")
    ref = app.publish(message)

    assert (message.type, message.body) == ("mail.welcome", {"user_id": 7, "lang": "de"})
    assert (message.queue, message.priority) == ("mail", pulpo.HIGH)
    assert ref.id == message.id == only(app)[0].id
    assert welcome.message(7).id != message.id


def test_the_twins_publish_from_an_event_loop(app, welcome):
    async def main():
        return [
            await welcome.adelay(1),
            await welcome.aschedule_at(LATER, 2),
            await welcome.aschedule_in("10m", 3, lang="de"),
            *await welcome.adelay_many([(4,), {"user_id": 5}]),
            *await welcome.adelay_many([]),
        ]

    refs = asyncio.run(main())
    found = {job.id: (envelope.body["user_id"], job.due) for job, envelope in waiting(app)}

    assert [found[ref.id] for ref in refs] == [
        (1, 0.0),
        (2, 7_200.0),
        (3, 600.0),
        (4, 0.0),
        (5, 0.0),
    ]


def test_a_coroutine_function_stays_one(app):
    @app.job
    async def fetch(url: str) -> int:
        return len(url)

    def plain(): ...

    assert inspect.iscoroutinefunction(fetch)
    assert fetch.job_type.is_async
    assert not app.job(plain).job_type.is_async
    assert asyncio.run(fetch("abc")) == 3
    fetch.delay("abc")
    assert only(app)[1].body == {"url": "abc"}


def test_a_static_method_is_a_job_through_class_and_object(app):
    class Mail:
        @app.job(type="mail.send")
        @staticmethod
        def send(user_id: int) -> int:
            return user_id

    assert Mail.send(7) == Mail().send(7) == 7
    Mail.send.delay(1)
    Mail().send.delay(2)
    assert [envelope.body["user_id"] for _, envelope in waiting(app)] == [1, 2]
    assert str(inspect.signature(Mail.send)) == "(user_id: int) -> int"


class Shop:
    def method(self): ...

    @classmethod
    def for_class(cls): ...

    def __call__(self): ...


def numbers():
    yield 1


async def async_numbers():
    yield 1


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (Shop.method, "'Shop.method' is a method.*@staticmethod.*pulpo.register"),
        (Shop().method, "a job is a function"),
        (Shop.__dict__["for_class"], "class method.*@pulpo.job above @staticmethod"),
        (Shop, "a job is a function"),
        (Shop(), "a job is a function; for other callables use pulpo.register"),
        (lambda: 1, "a lambda has no name"),
        (numbers, "must return, not yield: 'numbers'"),
        (async_numbers, "must return, not yield: 'async_numbers'"),
        (functools.partial(print), "a job is a function"),
        (len, "a job is a function"),
        ("mail.welcome", r"write @pulpo.job\(type='mail.welcome'\)"),
        (7, "a job is a function"),
    ],
)
def test_what_cannot_be_a_job_is_refused_with_what_to_do(app, what, words):
    with pytest.raises(WrongTypeError, match=words):
        app.job(what)
    assert len(app.registry) == 0


def test_a_decorator_above_the_static_method_is_refused(app):
    with pytest.raises(WrongTypeError, match=r"put @pulpo\.job above @staticmethod"):

        class Mail:
            @staticmethod
            @app.job
            def send(): ...


def test_a_job_is_not_made_a_job_again(app, welcome):
    with pytest.raises(WrongTypeError, match="is a job already"):
        app.job(welcome)


def test_a_decorated_function_is_a_job(app):
    def loud(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs).upper()

        return wrapper

    @app.job
    @loud
    def hello(name):
        return name

    with pytest.raises(TypeError, match="missing a required argument: 'name'"):
        hello.delay()
    assert hello("x") == "X"
    assert hello.job_type.bind(run_of(hello.job_type, {"name": "x"}))() == "X"


def test_a_wrong_option_of_the_decorator_is_refused_at_once(app):
    with pytest.raises(UnknownOptionError, match="'retry'; did you mean 'retries'"):
        app.job(retry=3)
    with pytest.raises(UsageError, match="retries must be"):

        @app.job(retries=-1)
        def job(): ...

    assert len(app.registry) == 0


def test_two_functions_for_one_type_are_refused(app, welcome):
    with pytest.raises(pulpo.DuplicateJobTypeError, match=r"'mail\.welcome' is taken by"):

        @app.job(type="mail.welcome")
        def other(): ...


def test_the_worker_gets_a_call_with_the_arguments_of_the_body(welcome):
    bind = welcome.job_type.bind

    assert bind(run_of(welcome.job_type, {"user_id": 7, "lang": "de"}))() == "7 de"
    assert bind(run_of(welcome.job_type, {"user_id": 7}))() == "7 en"


@pytest.mark.parametrize("body", [None, {}, {"user": 7}, {"user_id": 7, "x": 1}, 7, "7", [7]])
def test_a_body_that_does_not_fit_is_refused_before_the_call(welcome, body):
    with pytest.raises(WrongTypeError, match="welcome"):
        welcome.job_type.bind(run_of(welcome.job_type, body))


@pulpo.job(type="test.function.on_module_level")
def on_module_level(): ...


def test_a_job_travels_by_its_name_and_copies_as_itself():
    assert pickle.loads(pickle.dumps(on_module_level)) is on_module_level
    assert copy.copy(on_module_level) is on_module_level
    assert copy.deepcopy({"job": on_module_level})["job"] is on_module_level


def test_another_app_publishes_a_call_by_the_same_rules(app):
    @app.job(queue="mail", priority=3, ttr=30, expires="1h")
    def report(): ...

    with pulpo.Pulpo("memory://", clock=ManualClock(NOW)) as other:
        other.publish(report.message())
        job, envelope = only(other)

    assert (job.queue, job.priority, job.ttr) == ("mail", 3, 30.0)
    assert envelope.expires == NOW + 3_600


def test_none_says_that_the_job_type_decides(app):
    @app.job(expires="1h")
    def report(): ...

    copied = report.using(expires="2h", headers={"a": 1}, delay=5, priority=1)
    copied.using(expires=None, headers=None, delay=None, priority=None).delay()
    job, envelope = only(app)

    assert (job.due, job.priority) == (0.0, 65_536)
    assert (envelope.expires, envelope.user_headers()) == (NOW + 3_600, {})


def test_expires_of_the_type_counts_from_acceptance(app):
    @app.job(expires="1h", ttr=30)
    def report(): ...

    report.schedule_in("10m")
    _, envelope = only(app)

    assert (envelope.expires, envelope.ttr) == (NOW + 3_600, 30.0)
