"""A trial takes the place of an app's queue, and gives it back; where the jobs wait is decided."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

import pulpo
from pulpo import Pulpo
from pulpo.testing import published, trial
from pulpo.testing.beanstalkd import PrivateBeanstalkd
from tests.lab.beanstalkd import Beanstalkd


def test_the_queue_of_the_app_is_put_back(tmp_path: Path) -> None:
    app = Pulpo(f"sqlite:///{tmp_path}/own.db")

    @app.job(type="t")
    def job() -> None: ...

    job.delay()
    with trial(app):
        assert app.shown_url == "memory://"
        job.delay()
        assert len(published()) == 1
    with trial(app) as queue:
        assert (queue.jobs(), published()) == ([], [])

    assert app.shown_url == f"sqlite:///{tmp_path}/own.db"
    with closing(app.engine.admin()) as admin:
        assert admin.stats("default").ready == 1
    app.close()


def test_a_program_that_is_set_up_in_a_trial_does_not_reach_past_it(tmp_path: Path) -> None:
    app = Pulpo("memory://")
    other = f"sqlite:///{tmp_path}/other.db"
    with trial(app):
        app.configure(url=other)
        with pytest.raises(pulpo.UsageError):
            app.configure(url="nonsense://")
        app.publish(pulpo.Message(type="t"))
        assert len(published()) == 1

    assert app.shown_url == other
    assert list(tmp_path.iterdir()) == []


def test_an_app_that_has_no_queue_yet_looks_for_it_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Pulpo(decide_later=True)
    with trial(app):
        app.publish(pulpo.Message(type="t"))
    monkeypatch.setenv("PULPO_URL", f"sqlite:///{tmp_path}/late.db")

    assert app.shown_url.endswith("late.db")


def test_the_clock_of_the_app_is_put_back(app: Pulpo) -> None:
    with trial(app) as queue:
        queue.clock.advance("1d")
        late = app.publish(pulpo.Message(type="t", expires="1m"))
        (job,) = queue.jobs()
        assert job.id == late.id
        assert job.expires == queue.clock.wall() + 60.0
    app.publish(pulpo.Message(type="t", expires="1m"))

    (kept,) = app.engine.admin().list()
    assert kept.state.value == "ready"
    assert app.codec.decode(kept.body).expires < queue.clock.wall()


def test_a_job_of_one_test_can_be_declared_in_the_next(app: Pulpo) -> None:
    def declare(text: str) -> None:
        if text == "one":

            @app.job(type="same", aliases=("other",))
            def one() -> None: ...

        else:

            @app.job(type="same")
            def two() -> None: ...

    with trial(app):
        declare("one")
    assert app.registry.find("same") is app.registry.find("other") is None
    with trial(app):
        declare("two")


def test_a_job_of_a_module_stays(app: Pulpo) -> None:
    def job() -> None: ...

    job.__qualname__ = "job"
    with trial(app):
        app.job(type="kept")(job)

    assert app.registry.find("kept") is not None


def test_trials_of_two_apps_are_apart_and_the_last_one_is_asked() -> None:
    one, two = Pulpo("memory://"), Pulpo("memory://")
    with trial(one) as first, trial(two) as second:
        one.publish(pulpo.Message(type="of.one"))
        two.publish(pulpo.Message(type="of.two"))

        assert [job.type for job in first.published()] == ["of.one"]
        assert [job.type for job in second.published()] == ["of.two"]
        assert published() == second.published()


def test_a_file_that_is_named_is_not_the_one_that_is_used(app: Pulpo, tmp_path: Path) -> None:
    named = tmp_path / "named.db"
    with trial(app, f"sqlite:///{named}?max_job_size=2000", folder=tmp_path / "test") as queue:
        assert queue.url == f"sqlite:///{tmp_path}/test/queue.db?max_job_size=2000"
        with pytest.raises(pulpo.JobTooBigError):
            app.publish(pulpo.Message(type="t", body="x" * 2_001))
        app.publish(pulpo.Message(type="t"))
        with closing(Pulpo(queue.url).engine.admin()) as admin:
            assert len(admin.list()) == 1
    assert not named.exists()

    with trial(app, "sqlite:") as queue:
        app.publish(pulpo.Message(type="t"))
        path = Path(queue.url.removeprefix("sqlite:///"))
        assert path.exists()
    assert not path.parent.exists()


def test_a_trial_needs_an_engine_that_there_is(app: Pulpo) -> None:
    for url in ("nonsense:", "memory://host", "sqlite:?sink=full"):
        with pytest.raises(pulpo.UsageError), trial(app, url):
            pass
    assert app.shown_url == "memory://"


def test_a_beanstalkd_without_a_host_is_started_for_the_trial(
    app: Pulpo, beanstalkd_program: str
) -> None:
    @app.job(retries=1)
    def job(n: int) -> None:
        if n and pulpo.current_job().attempt == 1:
            job.delay(0)
            raise pulpo.TransientError("again", delay=0)

    with trial(app, "beanstalkd:") as queue:
        job.schedule_in("1h", 1)
        job.delay(1)
        queue.assert_published(job, args=(1,), due_in="1h")
        assert queue.drain().succeeded == 1
        (retry,) = [job for job in queue.jobs() if job.attempt == 2]
        assert retry.state in ("delayed", "ready")
        with pytest.raises(pulpo.UnsupportedError):
            queue.clock.advance("1h")
        with pytest.raises(pulpo.UnsupportedError):
            queue.worker.run_for("1h")
        url = queue.url
    assert app.shown_url == "memory://"
    with pytest.raises(pulpo.QueueUnavailableError):
        Pulpo(url).publish(pulpo.Message(type="t"))


def test_jobs_run_inline_on_a_beanstalkd(app: Pulpo, beanstalkd_program: str) -> None:
    done = []

    @app.job(queue="mail")
    async def job(n: int) -> None:
        done.append(n)

    with trial(app, "beanstalkd:") as queue:
        queue.run_inline()
        job.delay_many([(1,), (2,)])
        assert done == [1, 2]


def _publish(app: Pulpo) -> int:
    """Publish a job, and return 0: for a test that fails after it."""
    app.publish(pulpo.Message(type="t", queue="a"))
    return 0


def test_a_server_of_others_must_be_empty_and_is_emptied(
    app: Pulpo, beanstalkd_program: str
) -> None:
    with (
        Beanstalkd() as server,
        Pulpo(server.url) as other,
        closing(other.engine.admin()) as admin,
    ):
        with trial(app, server.url):
            app.publish(pulpo.Message(type="t", queue="a"))
            app.publish(pulpo.Message(type="t", queue="b", delay="1h"))
            admin.pause("b")
        with pytest.raises(ZeroDivisionError), trial(app, server.url):
            app.publish(pulpo.Message(type="t", queue="a", priority=1 // _publish(app)))
        stats = [admin.stats(queue) for queue in ("a", "b")]
        assert [(s.ready, s.delayed, s.paused) for s in stats] == [(0, 0, False)] * 2

        other.publish(pulpo.Message(type="t"))
        told = "holds 1 jobs; what tests leave is deleted"
        with pytest.raises(pulpo.UsageError, match=told), trial(app, server.url):
            pass
        assert admin.stats("default").ready == 1


def test_a_private_server_is_ended_by_its_own_id(beanstalkd_program: str) -> None:
    with PrivateBeanstalkd(beanstalkd_program) as server:
        assert Pulpo(server.url).publish(pulpo.Message(type="t")).queue == "default"
        port = server.port
    assert (server.port, port > 0) == (0, True)
    server.stop()  # twice is once


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    program = tmp_path / "beanstalkd"
    program.write_text("#!/bin/sh\necho no room here >&2\nexit 1\n")
    program.chmod(0o755)

    with pytest.raises(RuntimeError, match="does not start: 'no room here"):
        PrivateBeanstalkd(str(program)).start()


def test_a_server_of_a_test_keeps_limits_and_keys_and_publishes_no_ticks(
    app: Pulpo, beanstalkd_program: str
) -> None:
    done = []

    @app.job(every="1s")
    def tick() -> None: ...

    @app.job(unique=True, limit=pulpo.Limit(concurrency=1))
    def job(n: int) -> None:
        done.append(n)

    with trial(app, "beanstalkd:") as queue:
        first = job.delay(7)
        again = job.delay(7)
        runs = queue.drain()

        assert (again.id, again.existing) == (first.id, True)
        assert (runs.succeeded, done) == (1, [7])
        queue.refute_published(tick)
