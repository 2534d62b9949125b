"""Jobs that publish jobs: how deep a chain is travels with it, and a loop comes to an end."""

from __future__ import annotations

import pytest

import pulpo
from pulpo.app import Pulpo
from pulpo.codec import Codec
from pulpo.publishing import new_job


@pytest.fixture
def app() -> Pulpo:
    return Pulpo("memory://")


def depth_of(depth: int, **fields: object) -> object:
    message = pulpo.Message(type="t", **fields)  # type: ignore[arg-type]
    job = new_job(message, Codec(), lambda _: None, 0.0, depth)
    return Codec().decode(job.body).headers.get("depth")


def test_a_job_of_no_other_job_carries_nothing() -> None:
    assert depth_of(0) is None


def test_a_job_that_a_run_publishes_is_one_deeper(app: Pulpo) -> None:
    found = []

    @app.job(type="child", retries=0)
    def child(left: int) -> None:
        found.append(pulpo.current_job().envelope.depth)
        if left:
            child.delay(left - 1)

    child.delay(3)
    app.run_worker(burst=True)

    assert found == [0, 1, 2, 3]


def test_a_loop_ends_with_an_error_that_says_so(app: Pulpo) -> None:
    runs = []

    @app.job(type="endless", retries=0)
    def endless() -> None:
        runs.append(1)
        endless.delay()

    endless.delay()
    app.run_worker(burst=True)

    assert len(runs) == 101
    admin = app.engine.admin()
    (job,) = admin.list("default")
    assert (admin.stats("default").buried, admin.stats("default").ready) == (1, 0)
    error = Codec().decode(job.body).errors[-1]
    assert "UsageError" in error
    assert "a loop" in error


def test_a_job_with_a_delay_begins_a_new_chain() -> None:
    assert depth_of(100) == 100
    assert depth_of(101, delay="1s") is None
    with pytest.raises(pulpo.UsageError, match="a loop"):
        depth_of(101)
    with pytest.raises(pulpo.UsageError, match="a loop"):
        depth_of(101, delay=0.5)


def test_nobody_else_says_how_deep_a_chain_is() -> None:
    with pytest.raises(pulpo.UsageError, match="depth"):
        pulpo.Message(type="t", headers={"depth": 0})
