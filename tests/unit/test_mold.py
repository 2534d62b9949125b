"""The short way of a publish: the same jobs, byte for byte, as the long way makes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pulpo
from pulpo.codec import Codec
from pulpo.errors import EncodeError
from pulpo.job import NewJob
from pulpo.message import Message
from pulpo.mold import cast, cast_all
from pulpo.publishing import new_job

NOW = 1_800_000_000.0
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)

plain = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
dates = st.datetimes(timezones=st.just(UTC)) | st.uuids() | st.decimals(allow_nan=False)
values = st.recursive(
    plain | dates | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=120,
)
types = st.text(min_size=1, max_size=40).filter(
    lambda text: text.isprintable() and not any(c.isspace() for c in text)
)
options = st.fixed_dictionaries(
    {},
    optional={
        "queue": st.sampled_from(["default", "mail", "a" * 200]),
        "priority": st.integers(0, 2**32 - 1),
        "ttr": st.floats(5, 86_400) | st.integers(5, 86_400),
        "delay": st.floats(0, 1e6) | st.sampled_from(["5m", 0]),
        "retries": st.integers(0, 100),
        "timeout": st.floats(1, 1e6) | st.just("2h"),
    },
)


def app_with(type: str, **rules: Any) -> tuple[pulpo.Pulpo, Any]:
    app = pulpo.Pulpo("memory://")

    @app.job(type=type, **rules)
    def work(*args: Any) -> None: ...

    return app, work


def both_ways(
    app: pulpo.Pulpo, template: Message, body: object, codec: Codec
) -> tuple[NewJob | None, NewJob]:
    """Return what the short way makes, after the two calls it takes to find it, and the long."""
    find = app.registry.find
    for _ in range(2):
        message = template.with_body(0)
        assert cast(message, message.id, 0, codec=codec, find=find) is None
    message = template.with_body(body)
    short = cast(message, message.id, body, codec=codec, find=find)
    return short, new_job(message, codec, find, NOW)


@given(types, options, values)
def test_both_ways_make_the_same_job(type: str, said: dict[str, Any], body: object) -> None:
    app, work = app_with(type)
    copy = work.using(**said)

    short, long = both_ways(app, copy._self_template, body, Codec())

    # A value with many levels, or bytes that look so, is looked at more closely: the long way.
    assert short == long or (short is None and len(long.body) > 64)


@given(types, options, st.lists(values, max_size=5))
def test_a_batch_is_what_each_of_its_jobs_would_be(
    type: str, said: dict[str, Any], bodies: list[object]
) -> None:
    app, work = app_with(type)
    template, codec, find = work.using(**said)._self_template, Codec(), app.registry.find
    assert cast_all(template, bodies, codec=codec, find=find) is None, "not before it is known"
    both_ways(app, template, 0, codec)

    jobs = cast_all(template, bodies, codec=codec, find=find)

    alone = [cast(template, None, body, codec=codec, find=find) for body in bodies]
    if jobs is None:
        assert None in alone, "one of them is looked at more closely, and so are all"
        return
    assert len({job.id for job in jobs}) == len(bodies)
    for job, body in zip(jobs, bodies, strict=True):
        message = template.with_body(body, id=job.id)
        assert job == new_job(message, codec, find, NOW)


@pytest.mark.parametrize(
    "said", [{"expires": "1h"}, {"at": NOON}, {"headers": {"tenant": "acme"}}, {"id": "mine"}]
)
def test_a_batch_that_is_not_usual_goes_the_long_way(said: dict[str, Any]) -> None:
    app, work = app_with("noop")
    template, codec = work.using(**said)._self_template, Codec()
    both_ways(app, template, 0, codec)

    assert cast_all(template, [1], codec=codec, find=app.registry.find) is None
    assert work.using(**said).delay_many([(1,)])[0].queue == "default"


def test_a_batch_with_one_wrong_body_is_refused_whole() -> None:
    app, work = app_with("noop")
    for _ in range(2):
        work.delay_many([(1,), (2,), (3,)])

    with pytest.raises(EncodeError, match="object"):
        work.delay_many([(1,), (object(),), (3,)])
    with contextlib.closing(app.engine.admin()) as admin:
        assert admin.stats("default").ready == 6


@given(st.lists(st.integers(0, 2**63) | st.text("abc", max_size=5), max_size=5))
def test_what_is_usual_goes_the_short_way(numbers: list[object]) -> None:
    app, work = app_with("noop", queue="mail", priority=10)

    short, long = both_ways(app, work._self_template, {"n": numbers[:1]}, Codec())

    assert short == long


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"expires": "1h"}, {}),
        ({}, {"expires": "1h"}),
        ({}, {"at": NOON}),
        ({}, {"backoff": [1, 2]}),
        ({}, {"headers": {"tenant": "acme"}}),
    ],
)
def test_what_differs_from_call_to_call_goes_the_long_way(
    rules: dict[str, Any], said: dict[str, Any]
) -> None:
    app, work = app_with("noop", **rules)

    short, _ = both_ways(app, work.using(**said)._self_template, 1, Codec())

    assert short is None


def test_signed_jobs_go_the_long_way() -> None:
    app, work = app_with("noop")

    short, long = both_ways(app, work._self_template, 1, Codec([b"k" * 32]))

    assert short is None
    assert long.body.startswith(b"\x93\x02")


def test_a_message_that_got_headers_goes_the_long_way() -> None:
    app, work = app_with("noop")
    both_ways(app, work._self_template, 1, Codec())
    message = work.message(1).with_headers({"tenant": "acme"})

    assert cast(message, message.id, 1, codec=Codec(), find=app.registry.find) is None


def test_another_app_does_not_take_the_mold_of_the_first() -> None:
    app, work = app_with("noop")
    other, _ = app_with("noop", expires="1h")
    codec = Codec()
    both_ways(app, work._self_template, 1, codec)
    message = work.message(1)

    assert cast(message, message.id, 1, codec=codec, find=other.registry.find) is None
    assert other.publish(message).id == message.id


@pytest.mark.parametrize("body", [object(), 2**64, "\ud800", [[]] * 100_001])
def test_what_cannot_be_encoded_is_refused_in_the_same_words(body: object) -> None:
    app, work = app_with("noop")
    refusals = []
    for publish in ("delay", "delay", "delay", "message"):
        with pytest.raises(EncodeError) as caught:
            call(app, work, publish)(body)
        refusals.append(str(caught.value))

    assert len(set(refusals)) == 1
    assert app.publish(work.message(1)).queue == "default"


def call(app: pulpo.Pulpo, work: Any, publish: str) -> Callable[[object], object]:
    for _ in range(3):
        work.delay(0)
    return work.delay if publish == "delay" else lambda body: app.publish(work.message(body))


def test_too_deep_a_value_is_refused_the_short_way_too() -> None:
    _, work = app_with("noop")
    for _ in range(3):
        work.delay(0)
    deep: list[object] = []
    for _ in range(70):
        deep = [deep]

    with pytest.raises(EncodeError, match="nested deeper"):
        work.delay(deep)


def test_a_new_rule_of_a_type_is_seen() -> None:
    app, work = app_with("noop")
    codec, template = Codec(), work._self_template
    both_ways(app, template, 1, codec)
    known = app.registry["noop"]
    app.registry.add(known.__class__(**{**_fields(known), "expires": 60.0}))
    message = template.with_body(1)

    assert cast(message, message.id, 1, codec=codec, find=app.registry.find) is None


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def test_each_job_of_the_short_way_has_an_id_of_its_own() -> None:
    _, work = app_with("noop")

    ids = {work.delay(n).id for n in range(50)}

    assert len(ids) == 50
    assert {UUID(each).version for each in ids} == {7}
