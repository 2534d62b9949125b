"""The arguments of a call as a body, and a body as arguments again."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo.arguments import Arguments
from pulpo.codec import Codec
from pulpo.errors import WrongTypeError


def none(): ...
def two(a, b): ...
def defaults(a, b=2, *, c=3): ...
def named(*, a, b=2): ...
def rest(a, **others): ...
def many(*items, c=3): ...
def mixed(a, *items, c=3, **others): ...
def places(a, /, b, *, c=3): ...
def places_and_rest(a, /, **a_s): ...


FUNCTIONS = [none, two, defaults, named, rest, many, mixed, places, places_and_rest]
NAMES = st.sampled_from(["a", "b", "c", "d", "items"])
INTEGERS = st.integers(-(2**63), 2**64 - 1)
CODEC = Codec()


def bound(signature, args, kwargs):
    try:
        return signature.bind(*args, **kwargs), ""
    except TypeError as error:
        return None, str(error)


def travelled(body):
    return CODEC.decode(CODEC.encode({"type": "t"}, body)).body


@given(
    st.sampled_from(FUNCTIONS),
    st.lists(INTEGERS, max_size=4),
    st.dictionaries(NAMES, INTEGERS, max_size=4),
)
def test_a_call_is_accepted_just_where_python_accepts_it_and_arrives_as_it_was(
    function, args, kwargs
):
    signature, arguments = inspect.signature(function), Arguments(function)
    expected, refusal = bound(signature, args, kwargs)
    if refusal:
        with pytest.raises(WrongTypeError) as caught:
            arguments.body(args, kwargs)
        assert str(caught.value) == f"{function.__name__}() {refusal}"
        return

    found_args, found_kwargs = arguments.unpack(travelled(arguments.body(args, kwargs)))

    assert signature.bind(*found_args, **found_kwargs).arguments == expected.arguments


def test_a_body_is_a_map_of_names_to_values():
    assert Arguments(defaults).body((1, 5), {"c": 7}) == {"a": 1, "b": 5, "c": 7}


def test_defaults_are_left_to_the_code_that_runs():
    assert Arguments(defaults).body((1,), {}) == {"a": 1}


@pytest.mark.parametrize("function", [many, mixed, places, places_and_rest])
def test_only_where_names_do_not_do_a_body_is_a_pair(function):
    assert Arguments(function).body((1, 2)[: 1 + (function is not places_and_rest)], {"c": 7}) == [
        list((1, 2)[: 1 + (function is not places_and_rest)]),
        {"c": 7},
    ]


def test_other_names_travel_flat():
    assert Arguments(rest).body((1,), {"x": 2, "others": 3}) == {"a": 1, "x": 2, "others": 3}


def test_no_body_at_all_is_a_call_without_arguments():
    assert Arguments(none).unpack(None) == ((), {})
    with pytest.raises(WrongTypeError, match=r"two\(\) missing a required argument: 'a'"):
        Arguments(two).unpack(None)


@pytest.mark.parametrize(
    ("function", "body", "words"),
    [
        (two, {"a": 1}, "missing a required argument: 'b'"),
        (two, {"a": 1, "b": 2, "c": 3}, "unexpected keyword argument 'c'"),
        (two, {1: 2}, "no argument called 1"),
        (rest, {"a": 1, None: 2}, "no argument called None"),
        (two, [[1], {}], "missing a required argument: 'b'"),
        (two, [[1, 2, 3], {}], "too many positional"),
        (two, [1, 2], "maps names to values"),
        (two, [[1, 2]], "maps names to values"),
        (two, "ab", "maps names to values"),
        (two, 7, "maps names to values"),
        (two, b"ab", "maps names to values"),
        (many, [[1], {"d": 1}], "unexpected keyword argument 'd'"),
        (many, [[1], {1: 1}], "no argument called 1"),
        (many, [1, 2], "maps names to values"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_before_the_code_runs(function, body, words):
    with pytest.raises(WrongTypeError, match=words) as caught:
        Arguments(function).unpack(body)
    assert function.__name__ in str(caught.value)


def test_a_pair_fits_a_function_that_has_lost_its_star():
    assert Arguments(two).unpack([[1], {"b": 2}]) == ([1], {"b": 2})


def test_a_map_fits_a_function_with_a_star():
    assert Arguments(many).unpack({"c": 5}) == ((), {"c": 5})


@given(st.sampled_from(FUNCTIONS), st.recursive(
    st.none() | st.integers() | st.text(max_size=2) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.integers(), inner),
    max_leaves=6,
))  # fmt: skip
def test_any_body_is_a_call_or_refused(function, body):
    try:
        args, kwargs = Arguments(function).unpack(body)
    except WrongTypeError:
        return

    function(*args, **kwargs)
