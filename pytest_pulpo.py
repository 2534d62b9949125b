"""The pytest plugin of pulpo: fixtures for tests of what publishes and runs jobs.

Found by pytest itself once pulpo is installed. Nothing of pulpo is imported before a test asks for
one of the fixtures: who does not test jobs pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pulpo.app import Pulpo
    from pulpo.testing import TrialClock, TrialQueue, TrialWorker
    from pulpo.testing.beanstalkd import PrivateBeanstalkd

__all__: list[str] = []

_USUAL = "memory://"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that says on which engine the tests run."""
    parser.getgroup("pulpo").addoption(
        "--pulpo-url",
        metavar="URL",
        default=_USUAL,
        help="run the tests of jobs on another engine, each test on a queue of its own: sqlite: is "
        "a file of each test, beanstalkd: a server of each test; any other queue must be empty, "
        "and is emptied after each test (default: memory://)",
    )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say on which engine the tests run, unless it is the usual one."""
    url = config.getoption("--pulpo-url")
    return None if url == _USUAL else f"pulpo: jobs of tests go to {_without_secrets(url)}"


def _without_secrets(url: str) -> str:
    from pulpo.queue_url import mask

    return mask(url)


@pytest.fixture
def pulpo_app() -> Pulpo:
    """The app that is tested: that of `pulpo.job`, unless a project says another here."""
    import pulpo

    return pulpo.default_app()


@pytest.fixture
def pulpo_queue(pulpo_app: Pulpo, request: pytest.FixtureRequest) -> Iterator[TrialQueue]:
    """An empty queue, to which the app publishes until the test is over."""
    from pulpo.testing import trial

    url = str(request.config.getoption("--pulpo-url"))
    # Where pytest keeps it for a while, to be looked at after a failure.
    folder = request.getfixturevalue("tmp_path") if url.startswith("sqlite") else None
    with trial(pulpo_app, url, folder=folder, refuse=pytest.skip) as queue:
        yield queue


@pytest.fixture
def pulpo_worker(pulpo_queue: TrialQueue) -> TrialWorker:
    """A worker of the queue, in the thread of the test: `run()` runs what is due."""
    return pulpo_queue.worker


@pytest.fixture
def pulpo_clock(pulpo_queue: TrialQueue) -> TrialClock:
    """The clock of queue and worker: it stands still until `advance("1h")`."""
    return pulpo_queue.clock


@pytest.fixture
def pulpo_inline(pulpo_queue: TrialQueue) -> TrialQueue:
    """The queue, whose jobs run at once when they are published or come due.

    They still travel through the wire format and go by the rules of retrying. What a handler raises
    is raised where the job was published, or where the clock was moved.
    """
    pulpo_queue.run_inline()
    return pulpo_queue


@pytest.fixture
def beanstalkd() -> Iterator[PrivateBeanstalkd]:
    """A beanstalkd that is started for the test, with its `.url` and `.port`; skips without it."""
    from pulpo.testing.beanstalkd import NO_BEANSTALKD, PrivateBeanstalkd, find_beanstalkd

    program = find_beanstalkd()
    if program is None:
        pytest.skip(NO_BEANSTALKD)
    with PrivateBeanstalkd(program) as server:
        yield server
