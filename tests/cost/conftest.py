"""What the counting needs: strace, and a server of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.beanstalkd import Beanstalkd
from tests.lab.needs import need


@pytest.fixture
def strace() -> None:
    need("strace")


@pytest.fixture
def server(beanstalkd_program: str) -> Iterator[Beanstalkd]:
    with Beanstalkd() as running:
        yield running
