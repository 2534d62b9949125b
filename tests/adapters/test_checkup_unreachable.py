"""A look at a beanstalkd that hangs, freezes or dies ends soon: it is out of reach then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pulpo.adapter import Examinable
from pulpo.adapters import open_engine
from pulpo.errors import QueueUnavailableError
from tests.adapters.looks import look
from tests.adapters.speaker import talking
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.needs import need

pytestmark = pytest.mark.usefixtures("beanstalkd_program")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Beanstalkd]:
    with Beanstalkd("-f0", binlog=tmp_path / "binlog") as server:
        yield server


def test_a_server_that_lets_clients_connect_and_answers_none_is_out_of_reach(
    tmp_path: Path,
) -> None:
    need("prlimit")
    with (
        Beanstalkd("-f0", binlog=tmp_path / "binlog", limits=("--nofile=24",)) as server,
        ExitStack() as open_ones,
    ):
        for _ in range(30):
            open_ones.enter_context(talking(server))

        with pytest.raises(QueueUnavailableError, match="no answer within 5s"):
            look(open_engine(server.url))


@pytest.mark.parametrize("trouble", ["freeze", "kill"])
def test_a_server_that_freezes_or_dies_during_the_look_is_out_of_reach(
    server: Beanstalkd, trouble: str
) -> None:
    engine = open_engine(server.url)
    assert isinstance(engine, Examinable)

    def make_trouble(text: str) -> None:
        assert "eight leases" in text
        getattr(server, trouble)()

    looking = engine.examine(make_trouble)
    seen = list(iter(lambda: next(looking).name, "writes"))
    assert "binlog" in seen, "what was seen before is said all the same"
    with pytest.raises(QueueUnavailableError):
        next(looking)
