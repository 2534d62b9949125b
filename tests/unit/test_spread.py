from __future__ import annotations

from itertools import pairwise

import pytest

from pulpo.spread import spread


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 100, 1_000])
def test_every_place_comes_once(count: int) -> None:
    assert sorted(spread(count)) == list(range(count))


def test_any_beginning_comes_from_all_over() -> None:
    order = list(spread(1_000))

    for length in (10, 50, 333):
        seen = [0, *sorted(order[:length]), 1_000]
        gaps = [after - before for before, after in pairwise(seen)]
        assert max(gaps) <= 4 * 1_000 / length
