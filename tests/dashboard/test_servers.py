"""The dashboard of a queue on several beanstalkds: each of them, their sum, and a job on any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.dashboard.conftest import Site
from tests.lab.beanstalkd import Beanstalkd


@pytest.fixture
def servers(beanstalkd_program: str) -> Iterator[list[Beanstalkd]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Beanstalkd()) for _ in range(2)]


@pytest.fixture
def url(servers: list[Beanstalkd]) -> str:
    return "beanstalkd://" + ",".join(server.host for server in servers)


def test_each_server_is_shown_with_its_jobs_and_the_queues_with_the_sum(
    make_site: Callable[..., Site], servers: list[Beanstalkd]
) -> None:
    site = make_site()
    ids = [site.queue.put(queue="mail") for _ in range(4)]

    visitor = site.visitor()
    page = visitor.get("/").text

    assert "4 ready, 0 delayed, 0 reserved, 0 buried" in page
    assert all(server.host in page for server in servers)
    assert "out of reach" not in page
    assert [visitor.get(f"/jobs/{job_id}").status for job_id in ids] == [200] * 4
    form = visitor.get(f"/jobs/{ids[3]}").form("/delete")
    assert visitor.send(form).status == 303
    assert [site.state(job_id) for job_id in ids] == ["ready"] * 3 + ["gone"]


def test_a_server_out_of_reach_is_said_to_be_so(
    make_site: Callable[..., Site], servers: list[Beanstalkd]
) -> None:
    site = make_site()
    site.queue.put(queue="mail")
    servers[1].kill()

    page = site.visitor().get("/").text

    assert page.count("out of reach") == 1
