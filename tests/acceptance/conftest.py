"""A place for each story: a queue file, or a beanstalkd of its own with a binlog."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.beanstalkd import Beanstalkd
from tests.lab.late_unlink import late_unlink
from tests.lab.place import Place


@pytest.fixture(params=["file", "beanstalkd"])
def place(request: pytest.FixtureRequest) -> Place:
    """A place on each engine whose jobs outlive their processes."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
def file_place(tmp_path: Path) -> Iterator[Place]:
    """A place on a queue file."""
    yield from _at(tmp_path, f"sqlite:///{tmp_path}/queue.db")


@pytest.fixture
def beanstalkd_place(beanstalkd_program: str, tmp_path: Path) -> Iterator[Place]:
    """A place on a beanstalkd that nobody else uses and that syncs every write."""
    with Beanstalkd("-f0", binlog=tmp_path / "binlog", environ=late_unlink()) as server:
        yield from _at(tmp_path, server.url, server)


def _at(folder: Path, url: str, server: Beanstalkd | None = None) -> Iterator[Place]:
    place = Place(folder, url, server)
    yield place
    place.ledger.close()
