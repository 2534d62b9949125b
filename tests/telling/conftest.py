"""A store beside a queue in memory, whose time is moved by a clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from pulpo.adapters import open_engine
from pulpo.clock import ManualClock
from pulpo.side import SideStore, side_of


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Iterator[SideStore]:
    store = side_of(open_engine("memory://", clock=clock))
    assert store is not None
    with closing(store):
        yield store
