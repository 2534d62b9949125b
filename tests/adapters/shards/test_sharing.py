"""How a reservation is shared among servers: the most urgent ones get nearly all of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulpo.adapters.shards.numbers import inner, outer, place_of
from pulpo.adapters.shards.sharing import bound, probes, shares

PLACES = st.lists(st.integers(0, 63), min_size=1, max_size=8, unique=True)
FRONTS = st.dictionaries(st.integers(0, 63), st.integers(0, 9))


@given(st.integers(1, 300), PLACES, FRONTS, st.integers(0, 1_000))
def test_the_share_of_those_with_the_most_urgent_front_is_nearly_all(
    limit: int, places: list[int], fronts: dict[int, int], turn: int
) -> None:
    asked = shares(limit, places, fronts, turn)

    known = {place: fronts[place] for place in places if place in fronts}
    first = [p for p in places if not known or known.get(p) == min(known.values())]
    assert list(asked) == places
    assert all(asked[place] == 1 for place in places if place not in first)
    assert sum(asked[place] for place in first) >= min(limit, len(first))
    assert sum(asked.values()) <= max(limit, len(places))
    shared = [asked[place] for place in first]
    assert max(shared) - min(shared) <= 1


@given(st.integers(1, 8), PLACES)
def test_who_is_known_to_have_more_gets_its_turn(limit: int, places: list[int]) -> None:
    fronts = dict.fromkeys(places, 5)

    got = dict.fromkeys(places, 0)
    for turn in range(len(places)):
        for place, ask in shares(limit, places, fronts, turn).items():
            got[place] += ask

    assert len(set(got.values())) == 1


def test_who_may_have_something_urgent_is_asked_at_once() -> None:
    assert shares(1, [0, 1, 2], {}, turn=0) == {0: 1, 1: 1, 2: 1}


def test_who_has_only_less_urgent_jobs_is_looked_at() -> None:
    assert probes([0, 1, 2], {0: 5, 1: 7}) == [1]
    assert probes([0, 1, 2], {}) == []


def test_what_is_less_urgent_than_any_front_must_wait() -> None:
    assert bound({0: 5, 1: 7}) == 5
    assert bound({}) is None


@given(st.integers(0, 2**40), st.integers(0, 63))
def test_a_number_says_which_server_it_is_of(number: int, place: int) -> None:
    known = outer(number, place)

    assert (inner(known), place_of(known)) == (number, place)
