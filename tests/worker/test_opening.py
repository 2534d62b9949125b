"""Opening a reserved job: whatever its bytes are, there is a run or a verdict."""

from __future__ import annotations

from collections.abc import Callable

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo import Message, Pulpo
from pulpo.codec import Codec
from pulpo.envelope import UNDECODABLE
from pulpo.errors import WrongTypeError
from pulpo.job import Job, Verb
from pulpo.registry import Registry
from pulpo.run import Run
from pulpo.worker.decide import DECODING_TRIES, EXPIRED, Ending, Verdict
from pulpo.worker.opening import open_job
from pulpo.worker.rewrite import settlement

NOW = 1_800_000_000.0
KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def registry() -> Registry:
    app = Pulpo("memory://")

    @app.job(type="add")
    def add(a: int, b: int = 1) -> int:
        return a + b

    @app.job(type="spread")
    def spread(*numbers: int) -> int:
        return sum(numbers)

    app.register("echo", lambda message: message)
    return app.registry


KNOWN = registry()


def opened(body: bytes, codec: Codec | None = None, **job: object) -> tuple[Run, Verdict | None]:
    known = job.pop("registry", KNOWN)
    held = Job(number=7, body=body, **job)  # type: ignore[arg-type]
    return open_job(held, codec or Codec(), known, now=NOW, spread=0.0)  # type: ignore[arg-type]


def encoded(type: str = "add", body: object = None, **headers: object) -> bytes:
    return Codec().encode({"type": type, **headers}, body)


def again(run: Run, verdict: Verdict, codec: Codec | None = None) -> bytes:
    """The body with which a queue hands the job out the next time."""
    told = settlement(run, verdict, codec or Codec(), max_body=10**6)
    assert told.rewritten is not None
    return told.rewritten.body


def called(run: Run) -> object:
    assert run.call is not None
    return run.call()


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
names = st.sampled_from(
    ["type", "id", "queue", "priority", "ttr", "expires", "failures", "errors", "bounces",
     "bounced", "tenant", ""]
)  # fmt: skip
types = st.sampled_from(["add", "spread", "echo", "unheard.of", UNDECODABLE])
headers = st.dictionaries(names | st.text(max_size=5), plain, max_size=6)
any_bytes = st.one_of(
    st.binary(),
    plain.map(lambda value: msgpack.packb(value)),
    st.builds(lambda h, t, b: msgpack.packb([1, {**h, "type": t}, b]), headers, types, plain),
    st.builds(lambda s, e: msgpack.packb([2, s, e]), st.binary(), st.binary()),
    st.text().map(lambda text: ('{"type": "add", "body": ' + text).encode()),
)


@given(any_bytes, st.sampled_from([(), (KEY,)]))
def test_any_bytes_have_a_run_and_can_be_put_back(body: bytes, keys: tuple[bytes, ...]) -> None:
    codec = Codec(keys)

    run, verdict = opened(body, codec)

    assert run.job.body == body
    assert (verdict is None) == (run.call is not None)
    if verdict is not None and verdict.verb in (Verb.REPLACE, Verb.BURY):
        # What was put back is understood, so that every further worker can count.
        assert codec.decode(again(run, verdict, codec)).failures == verdict.failures


@given(st.binary(), st.sampled_from([(), (KEY,)]))
def test_bytes_that_are_no_job_end_up_buried_unchanged(body: bytes, keys: tuple[bytes]) -> None:
    codec, told, endings = Codec(keys), body, []
    for _ in range(DECODING_TRIES):
        run, verdict = opened(told, codec)
        if verdict is None or verdict.ending not in (Ending.RETRIED, Ending.BURIED):
            return  # hypothesis wrote a job
        endings.append(verdict.ending)
        told = again(run, verdict, codec)
        if verdict.ending is Ending.BURIED:
            break

    assert endings[-1] is Ending.BURIED
    assert codec.decode(told).body == body
    assert len(endings) == (1 if keys else DECODING_TRIES)


def test_a_job_is_bound_to_its_handler() -> None:
    run, verdict = opened(encoded(body={"a": 2, "b": 3}, id="x", failures=2), queue="q")

    assert verdict is None
    assert called(run) == 5
    assert (run.id, run.type, run.queue, run.attempt) == ("x", "add", "q", 3)


def test_a_job_in_json_is_a_job() -> None:
    run, verdict = opened(b'{"type": "add", "body": {"a": 2}, "headers": {"tenant": "acme"}}')

    assert verdict is None
    assert called(run) == 3
    assert (run.id, run.headers) == ("7", {"tenant": "acme"})


def test_a_handler_of_messages_sees_what_was_published() -> None:
    run, _ = opened(encoded("echo", [1, 2], id="x", tenant="acme", expires=NOW + 9), priority=5)

    message = called(run)

    assert isinstance(message, Message)
    assert (message.type, message.body, message.priority) == ("echo", [1, 2], 5)
    assert (message.id, message.headers) == ("x", {"tenant": "acme"})


@pytest.mark.parametrize("expires", [0, NOW - 1, NOW])
def test_an_expired_job_is_not_run(expires: float) -> None:
    run, verdict = opened(encoded(body={"a": 1}, expires=expires))

    assert verdict is EXPIRED
    assert run.call is None


def test_a_job_that_expires_later_is_run() -> None:
    assert opened(encoded(body={"a": 1}, expires=NOW + 0.1))[1] is None


def test_an_expired_job_is_expired_even_where_nobody_knows_its_type() -> None:
    assert opened(encoded("unheard.of", expires=1))[1] is EXPIRED


def test_an_unknown_type_waits_for_the_code_that_knows_it() -> None:
    run, verdict = opened(encoded("unheard.of", id="x", failures=2))

    assert verdict is not None
    assert (verdict.ending, verdict.failures) == (Ending.BOUNCED, 2)
    assert "'unheard.of'" in verdict.reason
    assert Codec().decode(again(run, verdict)).bounces == 1


@pytest.mark.parametrize(
    "body",
    [{}, {"a": 1, "c": 2}, {"b": 2}, [1, 2], [[1], {}, 3], "text", 5, {1: 2}, [[], {"a": 1}]],
)
def test_arguments_that_do_not_fit_wait_too(body: object) -> None:
    _, verdict = opened(encoded(body=body))

    fits = body == [[], {"a": 1}]
    assert (verdict is None) is fits
    if verdict is not None:
        assert verdict.ending is Ending.BOUNCED
        assert verdict.reason.startswith("arguments do not fit 'add':")


def test_an_alias_is_as_good_as_the_name() -> None:
    app = Pulpo("memory://")

    @app.job(type="new.name", aliases=["old.name"])
    def work() -> str:
        return "done"

    run, verdict = opened(encoded("old.name"), registry=app.registry)

    assert verdict is None
    assert called(run) == "done"
    assert run.type == "old.name"


def test_bytes_that_a_newer_pulpo_understands_are_run_then() -> None:
    run, verdict = opened(b"\x00 from the future")
    assert verdict is not None
    wrapped = again(run, verdict)
    # As if the bytes had been a job of a version that this one did not know.
    later = Codec().decode(wrapped)
    healed = Codec().encode(later.headers, encoded(body={"a": 4}, id="inner"))

    run, verdict = opened(healed)

    assert verdict is None
    assert called(run) == 5
    assert run.id == "inner"


def test_a_wrapper_that_holds_no_bytes_is_undecodable() -> None:
    _, verdict = opened(encoded(UNDECODABLE, "no bytes"))

    assert verdict is not None
    assert "undecodable" in verdict.reason


def test_a_wrapper_in_a_wrapper_is_undecodable_and_loses_none_of_them() -> None:
    inner = encoded(UNDECODABLE, encoded(UNDECODABLE, b"x"))

    run, verdict = opened(encoded(UNDECODABLE, inner))

    assert verdict is not None
    assert "undecodable: a wrapper in a wrapper" in verdict.reason
    assert Codec().decode(again(run, verdict)).body == inner


@pytest.mark.parametrize(
    ("sign", "verify"), [((), (KEY,)), ((OTHER_KEY,), (KEY,)), ((OTHER_KEY,), (KEY, b"z" * 32))]
)
def test_a_job_that_nobody_with_a_key_has_signed_is_buried_and_never_run(
    sign: tuple[bytes, ...], verify: tuple[bytes, ...]
) -> None:
    body = Codec(sign).encode({"type": "add"}, {"a": 1})

    run, verdict = opened(body, Codec(verify))

    assert verdict is not None
    assert verdict.ending is Ending.BURIED
    assert run.call is None


@pytest.mark.parametrize("verify", [(KEY,), (OTHER_KEY, KEY)])
def test_a_signed_job_is_run(verify: tuple[bytes, ...]) -> None:
    body = Codec([KEY]).encode({"type": "add"}, {"a": 1})

    assert opened(body, Codec(verify))[1] is None


def test_an_unsigned_job_is_not_run_because_our_own_signature_is_around_it() -> None:
    codec = Codec([KEY])
    run, verdict = opened(encoded(body={"a": 1}), codec)
    assert verdict is not None

    kicked = again(run, verdict, codec)
    run, verdict = opened(kicked, codec)

    assert verdict is not None
    assert verdict.ending is Ending.BURIED
    assert run.call is None


@pytest.mark.parametrize("keys", [(), (OTHER_KEY,)])
def test_a_job_that_is_buried_for_its_signature_keeps_its_id_and_its_place(
    keys: tuple[bytes, ...],
) -> None:
    body = Codec(keys).encode(
        {"type": "add", "id": "mine", "queue": "mail", "priority": 7, "ttr": 30}, {"a": 1}
    )
    codec = Codec([KEY])

    run, verdict = opened(body, codec)

    assert verdict is not None
    told = settlement(run, verdict, codec, max_body=10**6).rewritten
    assert told is not None
    assert (told.id, told.queue, told.priority, told.ttr) == ("mine", "mail", 7, 30)


def test_a_job_that_was_buried_for_a_missing_key_is_run_by_a_worker_that_has_it() -> None:
    newer, older = Codec([KEY]), Codec([OTHER_KEY])
    run, verdict = opened(older.encode({"type": "add", "id": "mine"}, {"a": 1}), newer)
    assert verdict is not None
    kicked = again(run, verdict, newer)

    run, verdict = opened(kicked, older)

    assert verdict is None
    assert called(run) == 2
    assert run.id == "mine"


def test_a_job_that_one_worker_after_the_other_does_not_trust_is_wrapped_once() -> None:
    body = encoded(body={"a": 1}, id="mine")
    for codec in (Codec([KEY]), Codec([OTHER_KEY])):
        run, verdict = opened(body, codec)
        assert verdict is not None
        assert verdict.ending is Ending.BURIED
        assert run.id == "mine"
        body = again(run, verdict, codec)

    wrapper = Codec().decode(body)

    assert wrapper.failures == 2
    assert wrapper.body == encoded(body={"a": 1}, id="mine")


def test_a_signature_is_not_asked_for_where_no_keys_are_set() -> None:
    assert opened(Codec([KEY]).encode({"type": "add"}, {"a": 1}))[1] is None


@pytest.mark.parametrize("failing", [WrongTypeError("does not fit")])
def test_a_type_error_of_the_handler_itself_is_not_taken_for_arguments_that_do_not_fit(
    failing: Exception,
) -> None:
    app = Pulpo("memory://")
    calls: list[Callable[[], object]] = []

    @app.job(type="odd")
    def odd() -> None:
        raise failing

    run, verdict = opened(encoded("odd"), registry=app.registry)
    assert verdict is None
    assert run.call is not None
    calls.append(run.call)

    with pytest.raises(WrongTypeError):
        calls[0]()


def test_a_signed_job_that_was_copied_to_another_queue_is_buried_and_never_run() -> None:
    codec = Codec([KEY])
    body = codec.encode({"type": "add", "queue": "mail"}, {"a": 1})

    run, verdict = opened(body, codec, queue="orders")

    assert verdict is not None
    assert verdict.ending is Ending.BURIED
    assert "queue 'mail'" in verdict.reason
    assert "'orders'" in verdict.reason
    assert run.call is None
    kicked = again(run, verdict, codec)
    assert opened(kicked, codec, queue="orders")[1] is not None, "our own signature is around it"
    assert opened(body, codec, queue="mail")[1] is None
    assert opened(body, codec)[1] is None, "the engine does not say which queue it is"
    assert opened(body, queue="orders")[1] is None, "no keys, nothing is promised"


@pytest.mark.parametrize("name", ["queue", "expires", "retries", "failures", "id", "type"])
def test_a_signed_job_with_a_changed_header_is_never_run(name: str) -> None:
    headers = {"type": "add", "queue": "mail", "expires": 9e9, "retries": 1, "failures": 1}
    headers |= {"id": "mine"}
    signed = msgpack.unpackb(Codec([KEY]).encode(headers, {"a": 1}))
    changed = {**headers, name: {"type": "echo", "id": "theirs", "queue": "x"}.get(name, 3)}
    body = msgpack.packb([2, signed[1], encoded(body={"a": 1}, **changed)])

    run, verdict = opened(body, Codec([KEY]))

    assert verdict is not None
    assert verdict.ending is Ending.BURIED
    assert run.call is None


def test_a_retried_job_is_signed_anew_with_the_first_key() -> None:
    old, both = Codec([OTHER_KEY]), Codec([KEY, OTHER_KEY])
    run, verdict = opened(old.encode({"type": "add"}, {"a": 1}), both)
    assert verdict is None

    retried = again(run, Verdict(Ending.RETRIED, Verb.REPLACE, 1.0, 1, error="no"), both)

    assert Codec([KEY]).decode(retried).failures == 1
