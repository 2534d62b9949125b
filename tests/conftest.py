"""What all tests share: the real beanstalkd, one server a session."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.lab.beanstalkd import Beanstalkd, find_beanstalkd
from tests.lab.postgresql import PostgreSQL, emptied, find_postgresql

# How long an example takes says something about the machine, nothing about pulpo.
settings.register_profile("pulpo", deadline=None)
settings.load_profile("pulpo")

# A shell lets what it starts in the background ignore these, and so would every process that a test
# starts and interrupts. A handler is not inherited; this one goes on ignoring them here.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the rows of the chaos programme among the others: they are long, and would come last.

    Each process of a run gets a part of the list, and one with all of them would end long after.
    """
    rows = [item for item in items if "tests/chaos/test_rows.py" in item.nodeid]
    others = [item for item in items if "tests/chaos/test_rows.py" not in item.nodeid]
    if rows and others:
        places = [(number + 0.5) * len(others) / len(rows) for number in range(len(rows))]
        ranked = [*enumerate(others), *zip(places, rows, strict=True)]
        items[:] = [item for _, item in sorted(ranked, key=lambda each: each[0])]


@pytest.fixture(scope="session", autouse=True)
def state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let workers of tests tell in a folder of this session, not in that of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def beanstalkd_program() -> str:
    """Return the path of beanstalkd; skip without it, but fail where CI is set."""
    program = find_beanstalkd()
    if program is not None:
        return program
    reason = "beanstalkd is not installed (apt install beanstalkd)"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI is set")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def beanstalkd(beanstalkd_program: str) -> Iterator[Beanstalkd]:
    """Return the server that all tests of a session share; each uses queue names of its own."""
    with Beanstalkd() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_program() -> str:
    """Return the folder of PostgreSQL's programs; skip without it, but fail where CI is set."""
    folder = find_postgresql()
    if folder is not None:
        return str(folder)
    reason = "PostgreSQL is not installed (apt install postgresql)"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI is set")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgresql(postgresql_program: str) -> Iterator[PostgreSQL]:
    """Return the server that all tests of a session share."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL) -> str:
    """Return the URL of an empty queue in the shared server."""
    return emptied(postgresql)
