"""The wire format: what goes in comes out, and nothing that comes in does harm."""

import json
import math
import re
import threading
import tracemalloc
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID, uuid4

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulpo.codec import MAX_DEPTH, MAX_ITEMS, MAX_NESTED_SETS, Codec
from pulpo.errors import CodecError, DecodeError, EncodeError, SignatureError
from pulpo.message import CONTROL_HEADERS

HEADERS = {"type": "t"}
CODEC = Codec()


def through(body, codec=CODEC):
    return codec.decode(codec.encode(HEADERS, body)).body


def packed(body, headers=HEADERS):
    return msgpack.packb([1, headers, body])


def as_arrived(value):
    """The value as a reader gets it: tuples are lists, keys and members of sets excepted."""
    if isinstance(value, list | tuple):
        return [as_arrived(item) for item in value]
    if isinstance(value, dict):
        return {key: as_arrived(item) for key, item in value.items()}
    return value


# Whole seconds: before Python 3.13, datetime.fromisoformat() loses an offset below one second.
zones = st.one_of(
    st.none(), st.integers(-86_399, 86_399).map(lambda s: timezone(timedelta(seconds=s)))
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
hashable_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    texts,
    st.binary(),
    st.datetimes(timezones=zones),
    st.dates(),
    st.times(timezones=zones),
    st.timedeltas(),
    st.uuids(),
    st.decimals(allow_nan=False),
)
hashables = st.recursive(
    hashable_scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(tuple), st.frozensets(inner, max_size=4)
    ),
    max_leaves=6,
)
values = st.recursive(
    st.one_of(hashables, st.sets(hashables, max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(hashables, inner, max_size=5)
    ),
    max_leaves=20,
)


@given(values)
def test_what_is_encoded_comes_back(body):
    assert through(body) == as_arrived(body)


@given(values)
def test_what_is_encoded_comes_back_through_a_signature(body):
    assert through(body, Codec([b"key"])) == as_arrived(body)


@given(st.dictionaries(texts.filter(lambda name: name not in CONTROL_HEADERS), texts))
def test_headers_come_back(headers):
    envelope = CODEC.decode(CODEC.encode({"type": "t", **headers}, None))

    assert {"type": "t", **headers} == envelope.headers


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**63),
        2**64 - 1,
        1.5,
        math.inf,
        "",
        "naïve ☃ \U0001f419",
        b"\x00\xff",
        datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        datetime(1, 1, 1),
        datetime.max,
        date(2026, 2, 28),
        time(23, 59, 59, 999999),
        time(12, tzinfo=UTC),
        timedelta(days=-3, microseconds=1),
        timedelta.max,
        timedelta.min,
        UUID(int=0),
        Decimal("0.10"),
        Decimal("-1E+1000"),
        Decimal("Infinity"),
        set(),
        {1, "a", (2, 3)},
        frozenset({frozenset({1}), b"x"}),
        {1: "a", "b": 2, None: 3, (1, 2): [3], date(2026, 1, 1): {}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_comes_back_as_the_same_type(value):
    found = through(value)

    assert found == value
    assert type(found) is type(value)


def test_an_aware_datetime_keeps_its_offset():
    zone = timezone(timedelta(hours=-4))

    assert through(datetime(2026, 7, 1, tzinfo=zone)).utcoffset() == timedelta(hours=-4)


def test_a_decimal_keeps_its_digits():
    assert str(through(Decimal("1.500"))) == "1.500"


def test_nan_comes_back_as_nan():
    assert math.isnan(through(math.nan))
    assert through(Decimal("NaN")).is_nan()


def test_tuples_arrive_as_lists():
    assert through((1, (2, 3))) == [1, [2, 3]]


def test_a_tuple_stays_one_as_a_key_and_in_a_set():
    assert through({(1, 2): (3, 4)}) == {(1, 2): [3, 4]}
    assert through({(1, 2)}) == {(1, 2)}


def test_a_named_tuple_and_a_dict_of_another_class_arrive_plain():
    from collections import OrderedDict, namedtuple

    assert through(namedtuple("Point", "x y")(1, 2)) == [1, 2]
    assert type(through(OrderedDict(a=1))) is dict


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(object(), "object", id="object"),
        (len, "builtin_function"),
        ([{"a": {1j}}], "complex"),
        (2**64, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        ("\ud800", "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        (int, "type"),
    ],
)
def test_a_value_without_a_place_on_the_wire_is_refused(value, words):
    with pytest.raises(EncodeError, match=words) as caught:
        CODEC.encode(HEADERS, {"argument": value})
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("headers", "body", "place"),
    [
        ({}, {"size": 3, "user": object()}, "body['user']: no place on the wire"),
        ({}, {"users": [1, {"name": object()}]}, "body['users'][1]['name']: no place"),
        ({}, [[1, 2**64], {}], "body[0][1]: whole numbers"),
        ({}, object(), "body: no place"),
        ({"tenant": object()}, object(), "headers['tenant']: no place"),
        ({}, {"odd": {object(): 1}}, "body['odd']: no place"),
    ],
    ids=["argument", "inside", "positional", "body", "header", "key"],
)
def test_a_value_without_a_place_on_the_wire_is_named_by_the_way_to_it(headers, body, place):
    with pytest.raises(EncodeError, match="^" + re.escape(place)):
        CODEC.encode({**HEADERS, **headers}, body)


def test_an_encoder_that_refused_a_value_is_as_good_as_new():
    with pytest.raises(EncodeError):
        CODEC.encode(HEADERS, [1, 2, 3, object()])

    assert through([4]) == [4]


def test_an_encoder_survives_whatever_a_value_raises():
    class Odd(timezone.__base__):
        def utcoffset(self, when):
            raise LookupError("no such zone")

    with pytest.raises(LookupError):
        CODEC.encode(HEADERS, [1, datetime(2026, 1, 1, tzinfo=Odd())])

    assert through([4]) == [4]


def nested_lists(levels):
    value = 0
    for _ in range(levels):
        value = [value]
    return value


def nested_sets(levels):
    value = frozenset()
    for _ in range(levels - 1):
        value = frozenset([value])
    return value


def test_values_may_be_nested_to_the_limit():
    assert through(nested_lists(MAX_DEPTH)) == nested_lists(MAX_DEPTH)
    assert through(nested_sets(MAX_NESTED_SETS)) == nested_sets(MAX_NESTED_SETS)


@pytest.mark.parametrize(
    "value",
    [
        nested_lists(MAX_DEPTH + 1),
        nested_lists(400),
        nested_lists(3000),
        nested_sets(MAX_NESTED_SETS + 1),
    ],
    ids=["one too many", "400", "3000", "sets"],
)
def test_values_nested_deeper_are_refused(value):
    with pytest.raises(EncodeError, match="nested deeper"):
        CODEC.encode(HEADERS, value)


def test_a_value_that_holds_itself_is_refused():
    loop = []
    loop.append(loop)

    with pytest.raises(EncodeError, match="hold themselves"):
        CODEC.encode(HEADERS, loop)


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 400, 1200, 60_000])
def test_bytes_nested_deeper_are_refused(levels):
    data = b"\x93\x01\x81\xa4type\xa1t" + b"\x91" * levels + b"\x00"

    with pytest.raises(DecodeError):
        CODEC.decode(data)


@pytest.mark.parametrize("levels", [MAX_NESTED_SETS + 1, 100])
def test_bytes_with_sets_nested_deeper_are_refused(levels):
    inner = b"\x90"
    for _ in range(levels):
        inner = msgpack.packb([msgpack.ExtType(8, inner)])
    data = b"\x93\x01\x81\xa4type\xa1t" + inner

    with pytest.raises(DecodeError, match="sets are nested"):
        CODEC.decode(data)


# The envelope, its version, the headers' name and value, and the lists themselves count too.
ROOM = MAX_ITEMS - 3 - 2


def test_a_body_may_hold_as_many_values_as_the_limit():
    assert len(through([0] * ROOM)) == ROOM


@pytest.mark.parametrize(
    "body", [[0] * (ROOM + 1), [0] * 200_000, [[0] * 60_000, [0] * 60_000]], ids=len
)
def test_more_values_are_refused_on_both_sides(body):
    with pytest.raises(EncodeError, match="more than 100000 values"):
        CODEC.encode(HEADERS, body)
    with pytest.raises(DecodeError):
        CODEC.decode(packed(body))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_job_or_a_decode_error(data):
    try:
        CODEC.decode(data)
    except CodecError:
        pass


JOB_LIKE = st.one_of(
    st.binary(max_size=60).map(lambda tail: b"\x93\x01\x81\xa4type\xa1t" + tail),
    st.binary(max_size=60).map(lambda tail: b"\x93\x02" + tail),
    st.binary(max_size=60).map(lambda tail: b"{" + tail),
    st.tuples(st.integers(0, 12), st.binary(max_size=40)).map(
        lambda ext: b"\x93\x01\x81\xa4type\xa1t" + msgpack.packb(msgpack.ExtType(*ext))
    ),
    st.tuples(st.integers(7, 8), st.lists(st.binary(max_size=20), max_size=3)).map(
        lambda found: packed(msgpack.ExtType(found[0], b"\x93" + b"".join(found[1])))
    ),
    values.map(lambda body: CODEC.encode(HEADERS, body)),
)


@settings(max_examples=300)
@given(JOB_LIKE, st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=3))
def test_spoiled_jobs_are_jobs_or_decode_errors(data, spoils):
    spoiled = bytearray(data)
    for place, byte in spoils:
        spoiled[place % len(spoiled)] = byte
    try:
        CODEC.decode(bytes(spoiled))
    except CodecError:
        pass


@settings(max_examples=200)
@given(JOB_LIKE, st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=2))
def test_what_is_decoded_can_be_written_again(data, spoils):
    """A worker writes a job anew for each retry: what it could read it must be able to write."""
    spoiled = bytearray(data)
    for place, byte in spoils:
        spoiled[place % len(spoiled)] = byte
    try:
        envelope = CODEC.decode(bytes(spoiled))
    except CodecError:
        return

    CODEC.encode({**envelope.headers, "failures": 1}, envelope.body)


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=10,
)


@given(json_values, st.booleans())
def test_a_json_object_is_a_job(body, ascii_only):
    text = json.dumps({"type": "mail.welcome", "body": body}, ensure_ascii=ascii_only)
    envelope = CODEC.decode(text.encode())

    assert envelope.type == "mail.welcome"
    assert envelope.body == body
    assert envelope.id is None
    assert CODEC.decode(CODEC.encode(envelope.headers, envelope.body)) == envelope


def test_a_json_job_has_headers_and_needs_no_body():
    data = b'\n {"headers": {"tenant": "acme", "priority": 5, "type": "x"}, "type": "y"}\n'
    envelope = CODEC.decode(data)

    assert envelope.headers == {"tenant": "acme", "priority": 5, "type": "y"}
    assert envelope.body is None


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"{}",
        b"  3",
        b'{"type": 3}',
        b'{"type": "a b"}',
        b'{"type": "t", "body": NaN}',
        b'{"type": "t", "body": Infinity}',
        b'{"type": "t", "body": 18446744073709551616}',
        b'{"type": "t", "body": ' + b"9" * 5000 + b"}",
        b'{"type": "t", "body": "\\ud800"}',
        b'{"type": "t", "body": "\xed\xa0\x80"}',
        b'{"type": "t", "body": "\xff"}',
        b'{"type": "t", "headers": []}',
        b'{"type": "t", "headers": 0}',
        b'{"type": "t", "headers": {"priority": "high"}}',
        b'{"type": "t", "headers": {"id": ""}}',
        b'{"type": "t", "body": ' + b"[" * 70 + b"]" * 70 + b"}",
        b'{"type": "t", "body": ' + b"[" * 30_000,
        b'{"type": "t", "body": [' + b"0," * MAX_ITEMS + b"0]}",
        '{"type": "t"}'.encode("utf-16"),
    ],
    ids=lambda data: repr(data[:40]),
)
def test_json_that_is_no_job_is_refused(data):
    with pytest.raises(DecodeError):
        CODEC.decode(data)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"type": ""},
        {"type": "a b"},
        {"type": "x" * 201},
        {"type": None},
        {"type": b"t"},
        {"type": "t", "id": "x" * 65},
        {"type": "t", "id": 7},
        {"type": "t", "queue": "-"},
        {"type": "t", "queue": None},
        {"type": "t", "priority": -1},
        {"type": "t", "priority": 2**32},
        {"type": "t", "priority": True},
        {"type": "t", "ttr": 0},
        {"type": "t", "ttr": math.nan},
        {"type": "t", "ttr": 86_401},
        {"type": "t", "expires": math.inf},
        {"type": "t", "expires": -1},
        {"type": "t", "expires": 253_402_300_800},
        {"type": "t", "failures": -1},
        {"type": "t", "failures": 1.0},
        {"type": "t", "failures": 2**31},
        {"type": "t", "errors": "x"},
        {"type": "t", "errors": [1]},
        {"type": "t", "bounces": "x"},
        {"type": "t", "bounced": "x"},
        {"type": "t", 7: 1},
        {"type": "t", None: 1},
    ],
    ids=repr,
)
def test_headers_with_nonsense_are_refused(headers):
    with pytest.raises(DecodeError):
        CODEC.decode(packed(None, headers))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\xc1",
        msgpack.packb([1, HEADERS]),
        msgpack.packb([1, HEADERS, None, None]),
        msgpack.packb([3, HEADERS, None]),
        msgpack.packb([True, HEADERS, None]),
        msgpack.packb([1.0, HEADERS, None]),
        msgpack.packb([msgpack.ExtType(6, b"sNaN"), HEADERS, None]),
        msgpack.packb([1, ["type", "t"], None]),
        msgpack.packb({"type": "t"}),
        packed(None) + b"\x00",
        packed(None)[:-1],
        packed({msgpack.ExtType(6, b"sNaN"): 1}),
        packed(msgpack.ExtType(7, msgpack.packb([msgpack.ExtType(6, b"sNaN")]))),
        packed(msgpack.ExtType(7, msgpack.packb([{}]))),
        packed(msgpack.ExtType(7, msgpack.packb(3))),
        packed(msgpack.ExtType(1, b"yesterday")),
        packed(msgpack.ExtType(1, b"\xff")),
        packed(msgpack.ExtType(2, b"2026-02-30")),
        packed(msgpack.ExtType(3, b"25:00")),
        packed(msgpack.ExtType(4, b"9" * 32)),
        packed(msgpack.ExtType(4, b"")),
        packed(msgpack.ExtType(5, b"short")),
        packed(msgpack.ExtType(6, b"one")),
        packed(msgpack.ExtType(9, b"")),
        packed(msgpack.ExtType(127, b"")),
        packed(msgpack.Timestamp(2**62)),
        b"\x93\x01\x81\xa4type\xa1t\xdd\xff\xff\xff\xff",
        b"\x93\x01\x81\xa4type\xa1t\xdf\xff\xff\xff\xff",
        b"\x93\x01\x81\xa4type\xa1t\xdb\xff\xff\xff\xff",
        b"\x93\x01\x81\xa4type\xa1t\x81\x80\x01",
        b"\x80\x04\x95pickle",
    ],
    ids=lambda data: repr(data[:40]),
)
def test_bytes_that_are_no_job_are_refused(data):
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(data)
    assert str(caught.value)


def test_the_timestamp_of_msgpack_itself_is_understood():
    moment = datetime(2026, 1, 1, tzinfo=UTC)

    assert CODEC.decode(packed(msgpack.Timestamp.from_datetime(moment))).body == moment


def test_the_ext_types_are_those_of_the_documented_table():
    """Numbers are a promise to other languages, and never used again."""
    found = {}
    for value in (
        datetime(2026, 1, 2, tzinfo=UTC),
        date(2026, 1, 2),
        time(1, 2),
        timedelta(seconds=1),
        UUID(int=1),
        Decimal("1.5"),
        {1},
        frozenset({1}),
    ):
        ext = msgpack.unpackb(CODEC.encode(HEADERS, value))[2]
        found[type(value).__name__] = (ext.code, ext.data)

    assert found == {
        "datetime": (1, b"2026-01-02T00:00:00+00:00"),
        "date": (2, b"2026-01-02"),
        "time": (3, b"01:02:00"),
        "timedelta": (4, b"1000000"),
        "UUID": (5, bytes(15) + b"\x01"),
        "Decimal": (6, b"1.5"),
        "set": (7, b"\x91\x01"),
        "frozenset": (8, b"\x91\x01"),
    }


def test_the_envelope_is_version_headers_body():
    assert msgpack.unpackb(CODEC.encode({"type": "t", "id": "x"}, {"a": 1})) == [
        1,
        {"type": "t", "id": "x"},
        {"a": 1},
    ]


def test_a_signed_job_is_read_with_any_of_the_keys():
    old, new = Codec([b"old"]), Codec([b"new", b"old"])

    assert new.decode(old.encode(HEADERS, 1)).body == 1
    assert new.decode(new.encode(HEADERS, 2)).body == 2


def test_the_first_key_signs():
    with pytest.raises(SignatureError, match="fits none"):
        Codec([b"old"]).decode(Codec([b"new", b"old"]).encode(HEADERS, 1))


@pytest.mark.parametrize("data", [packed(1), b'{"type": "t"}', b"", b"\x93\x01"], ids=repr)
def test_an_unsigned_job_is_refused_where_keys_are_set(data):
    with pytest.raises(SignatureError, match="not signed"):
        Codec([b"key"]).decode(data)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_signed_job_that_was_changed_is_refused(place, flip):
    codec = Codec([b"key"])
    data = bytearray(codec.encode({"type": "t", "id": "x"}, {"amount": 100}))
    data[place % len(data)] ^= flip

    with pytest.raises(CodecError):
        codec.decode(bytes(data))


@given(st.binary(max_size=100))
def test_any_bytes_under_keys_are_a_codec_error(tail):
    for data in (tail, b"\x93\x02" + tail):
        with pytest.raises(CodecError):
            Codec([b"key"]).decode(data)


def test_a_signed_job_is_read_where_no_keys_are_set():
    assert CODEC.decode(Codec([b"key"]).encode(HEADERS, 1)).body == 1


def test_a_signature_in_a_signature_is_no_job():
    inner = Codec([b"key"]).encode(HEADERS, 1)

    with pytest.raises(DecodeError):
        CODEC.decode(msgpack.packb([2, b"x", inner]))


def test_threads_may_share_a_codec():
    failures = []

    def work(number):
        for turn in range(200):
            body = {"who": number, "when": datetime.now(UTC), "id": uuid4(), "n": [turn] * 50}
            if through(body) != body:
                failures.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []


MANY = b"\x93\x01\x81\xa4type\xa1t"


@pytest.mark.parametrize(
    "data",
    [
        MANY + b"\xdd\x00\x01\x86\xa0" * 1_000,
        MANY + b"\xdd\x00\x00\xff\xff" * 1_000 + b"\x90" * 60_000,
        MANY + b"\xdf\x00\x00\xff\xff" * 60,
        MANY + b"\xdd\x00\x00\x00\x50" + (b"\xdd\x00\x00\xff\xff" + b"\x90" * 65_535) * 80,
        MANY + b"\xc8\xff\xf0\x07\xdc\xff\xed" + b"\x91" * 65_517,
        b'{"type": "t", "body": [' + b"[]," * 1_000_000 + b"0]}",
    ],
    ids=["deep and wide", "announced", "maps", "wide", "a deep set", "JSON"],
)
def test_what_announces_much_gets_no_room_for_it(data):
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            CODEC.decode(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8_000_000 + 2 * len(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"type": "t", "type": "u"}',
        b'{"type": "t", "body": {"n": 1, "m": 2, "n": 1}}',
        b'{"type": "t", "body": [{"\\u0061": 1, "a": 2}]}',
    ],
)
def test_json_that_says_a_key_twice_is_refused(data):
    with pytest.raises(DecodeError, match="comes twice"):
        CODEC.decode(data)


def test_json_may_hold_as_many_commas_as_its_text_has_room_for():
    text = ",[" * 200_000
    data = json.dumps({"type": "t", "body": text}).encode()
    assert CODEC.decode(data).body == text


def test_bytes_without_memory_for_them_are_a_decode_error(monkeypatch):
    def no_memory(*_args, **_options):
        raise MemoryError

    monkeypatch.setattr(msgpack, "unpackb", no_memory)
    with pytest.raises(DecodeError, match="MemoryError"):
        CODEC.decode(packed(None))
