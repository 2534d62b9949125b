"""The options of a job type, checked once for decorator, register and settings file."""

import pytest

from pulpo.errors import UnknownOptionError, UsageError, WrongTypeError
from pulpo.options import KNOWN, make_job_type


def made(**options):
    return make_job_type(
        options, type="m.f", bind=lambda run: lambda: None, is_async=False, source="m.f"
    )


def test_without_options_a_type_is_as_usual():
    job_type = made()

    assert (job_type.type, job_type.queue, job_type.priority) == ("m.f", "default", 65_536)
    assert (job_type.timeout, job_type.ttr, job_type.expires) == (600.0, 60.0, None)
    assert (job_type.policy.retries, job_type.policy.backoff) == (20, None)
    assert (job_type.policy.transient, job_type.policy.fatal) == ((Exception,), ())


def test_every_option_arrives():
    job_type = made(
        type="mail",
        aliases=["post"],
        queue="q",
        priority=1,
        retries=2,
        backoff=[3],
        transient=OSError,
        fatal=(ValueError,),
        timeout="1m",
        ttr="10s",
        expires="1h",
    )

    assert (job_type.type, job_type.aliases, job_type.queue, job_type.priority) == (
        "mail",
        ("post",),
        "q",
        1,
    )
    assert (job_type.timeout, job_type.ttr, job_type.expires) == (60.0, 10.0, 3_600.0)
    assert job_type.policy.retries == 2
    assert job_type.policy.backoff == [3]
    assert (job_type.policy.transient, job_type.policy.fatal) == ((OSError,), (ValueError,))


def test_the_known_options_are_the_documented_ones():
    assert set(KNOWN) == {
        "type",
        "aliases",
        "queue",
        "priority",
        "retries",
        "backoff",
        "transient",
        "fatal",
        "timeout",
        "ttr",
        "expires",
        "unique",
        "limit",
        "slots",
        "every",
        "cron",
        "tz",
        "missed",
        "within",
        "overlap",
    }


@pytest.mark.parametrize(
    ("name", "hint"), [("retry", "did you mean 'retries'"), ("colour", "known: type, aliases")]
)
def test_an_unknown_option_is_a_type_error_with_a_hint(name, hint):
    with pytest.raises(UnknownOptionError, match=f"unknown option '{name}'; {hint}") as caught:
        made(**{name: 1})
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"type": "a b"}, "type must be"),
        ({"queue": ""}, "queue must be"),
        ({"slots": 0}, "slots must be 1 to"),
        ({"limit": {"per": "a"}}, "a limit needs concurrency"),
        ({"priority": 2**32}, "priority must be 0"),
        ({"retries": -1}, "retries must be"),
        ({"backoff": "x"}, "backoff must be"),
        ({"timeout": 0}, "timeout must be more than 0: 0"),
        ({"timeout": "x"}, "timeout must be"),
        ({"ttr": 4.9}, "ttr must be 5s to 1d: 4.9"),
        ({"ttr": "2d"}, "ttr must be 5s to 1d: '2d'"),
        ({"expires": -1}, "expires must be"),
        ({"aliases": ["a b"]}, "type must be"),
    ],
)
def test_a_wrong_value_is_refused_by_name(options, words):
    with pytest.raises(UsageError, match=words):
        made(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"type": 1},
        {"aliases": "old"},
        {"aliases": 1},
        {"queue": None},
        {"priority": "1"},
        {"retries": None},
        {"transient": "x"},
        {"timeout": None},
        {"ttr": []},
        {"expires": []},
    ],
    ids=repr,
)
def test_a_value_of_another_type_is_a_type_error(options):
    with pytest.raises(WrongTypeError):
        made(**options)
