"""The pytest plugin, as a project finds it: its fixtures, its option, and what loading it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TASKS = """
import asyncio
import pulpo

MAILS = []

@pulpo.job(type="mail.welcome", queue="mail", retries=2)
def welcome(user_id, *, lang="en"):
    if user_id < 0:
        raise ConnectionError("the mail server does not answer")
    MAILS.append((user_id, lang))

@pulpo.job(type="report")
async def report(day):
    await asyncio.sleep(0)
    MAILS.append(day)
"""

TESTS = """
import asyncio
import pulpo, pytest
from datetime import timedelta
from pulpo.testing import assert_published, drain, perform, published, refute_published
from tasks import MAILS, report, welcome

@pytest.fixture(autouse=True)
def no_mails():
    MAILS.clear()

def test_published(pulpo_queue):
    welcome.delay(7, lang="de")
    assert_published(type="mail.welcome", args=(7,), queue="mail")
    refute_published(report)
    assert drain().succeeded == 1
    assert MAILS == [(7, "de")]

def test_each_test_begins_with_nothing(pulpo_queue, pulpo_worker):
    assert published() == [] and len(pulpo_worker.run()) == 0

def test_the_clock(pulpo_worker, pulpo_clock):
    start = pulpo_clock.now
    welcome.schedule_in("1h", 7)
    welcome.using(expires="30m").schedule_in("1h", 8)
    pulpo_clock.advance("1h")
    runs = pulpo_worker.run()
    assert (runs.succeeded, runs.expired) == (1, 1)
    assert pulpo_clock.now - start == timedelta(hours=1)

def test_inline(pulpo_inline):
    report.delay("monday")
    assert MAILS == ["monday"]
    with pytest.raises(ConnectionError):
        welcome.delay(-1)

def test_the_outcome():
    assert perform(welcome, 7) == pulpo.Success()
    assert perform(welcome, -1) == pulpo.Retry(
        16.0, "ConnectionError: the mail server does not answer")

def test_async(pulpo_inline):
    async def main():
        await report.adelay("tuesday")
        assert MAILS == ["tuesday"]
    asyncio.run(main())
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "test_tasks.py").write_text(TESTS)
    return tmp_path


def run_pytest(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-W", "error", "-rs", "-p", "no:cacheprovider", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PULPO_URL": "sqlite:///real.db"}
        | environment,
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.parametrize("url", [None, "memory://", "sqlite:", "sqlite:///any.db?sync=normal"])
def test_a_project_tests_its_jobs_on_any_engine(project: Path, url: str | None) -> None:
    done = run_pytest(project, *([] if url is None else ["--pulpo-url", url]))

    assert "6 passed" in done.stdout, done.stdout
    assert ("pulpo: jobs of tests go to" in done.stdout) is (url not in (None, "memory://"))
    assert not list(project.glob("*.db"))


def test_on_a_server_only_tests_that_move_the_clock_are_skipped(
    project: Path, beanstalkd_program: str
) -> None:
    done = run_pytest(project, "--pulpo-url", "beanstalkd:")

    assert "5 passed, 1 skipped" in done.stdout, done.stdout
    assert "the clock of beanstalkd cannot be moved" in done.stdout


def test_without_the_program_tests_of_it_are_skipped_with_the_reason(project: Path) -> None:
    (project / "conftest.py").write_text(
        "import pulpo.testing.beanstalkd as b\nb.find_beanstalkd = lambda: None\n"
        "import pulpo.testing.places as p\np.find_beanstalkd = lambda: None\n"
    )
    (project / "test_tasks.py").write_text(
        "def test_one(beanstalkd): ...\ndef test_two(pulpo_queue): ...\n"
    )
    done = run_pytest(project, "--pulpo-url", "beanstalkd:")

    assert "2 skipped" in done.stdout
    assert "apt-get install beanstalkd" in done.stdout


def test_a_server_of_its_own_is_a_fixture(project: Path, beanstalkd_program: str) -> None:
    (project / "test_tasks.py").write_text(
        "import pulpo\n"
        "def test_one(beanstalkd):\n"
        "    with pulpo.Pulpo(beanstalkd.url) as app:\n"
        "        app.publish(pulpo.Message(type='t'))\n"
        "def test_two(beanstalkd):\n"
        "    with pulpo.Pulpo(beanstalkd.url) as app:\n"
        "        admin = app.engine.admin()\n"
        "        assert admin.stats('default').ready == 0\n"
        "        admin.close()\n"
    )
    done = run_pytest(project)

    assert "2 passed" in done.stdout, done.stdout


def test_a_project_may_have_an_app_of_its_own(project: Path) -> None:
    (project / "conftest.py").write_text(
        "import pulpo, pytest\n"
        "APP = pulpo.Pulpo('sqlite:///never.db')\n"
        "@pytest.fixture\n"
        "def pulpo_app():\n"
        "    return APP\n"
    )
    (project / "test_tasks.py").write_text(
        "import pulpo\n"
        "from conftest import APP\n"
        "from pulpo.testing import drain\n"
        "def test_app(pulpo_queue):\n"
        "    @APP.job\n"
        "    def job(): ...\n"
        "    job.delay()\n"
        "    assert drain().succeeded == 1\n"
    )
    done = run_pytest(project)

    assert "1 passed" in done.stdout, done.stdout
    assert not list(project.glob("*.db"))


def test_a_password_is_not_shown(project: Path) -> None:
    done = run_pytest(project, "--pulpo-url", "beanstalkd://me:secret@127.0.0.1:1")

    assert "beanstalkd://me:***@127.0.0.1:1" in done.stdout
    assert "secret" not in done.stdout


def test_every_test_can_be_kept_from_the_real_queue(project: Path) -> None:
    (project / "pytest.ini").write_text("[pytest]\nusefixtures = pulpo_queue\n")
    (project / "test_tasks.py").write_text(
        "from tasks import welcome\ndef test_it():\n    welcome.delay(7)\n"
    )
    done = run_pytest(project)

    assert "1 passed" in done.stdout, done.stdout
    assert not list(project.glob("*.db"))


def test_a_plugin_for_async_tests_is_served(project: Path) -> None:
    (project / "test_tasks.py").write_text(
        "import asyncio, pulpo, pytest\n"
        "from pulpo.testing import adrain\n"
        "LOOPS = []\n"
        "@pulpo.job\n"
        "async def job():\n"
        "    LOOPS.append(asyncio.get_running_loop())\n"
        "@pytest.fixture\n"
        "def anyio_backend():\n"
        "    return 'asyncio'\n"
        "@pytest.fixture\n"
        "async def published(pulpo_queue):\n"
        "    return await job.adelay()\n"
        "@pytest.mark.anyio\n"
        "async def test_it(published):\n"
        "    assert (await adrain()).succeeded == 1\n"
        "    assert LOOPS == [asyncio.get_running_loop()]\n"
    )
    done = run_pytest(project)

    assert "1 passed" in done.stdout, done.stdout


def test_a_wrong_url_is_told(project: Path) -> None:
    done = run_pytest(project, "--pulpo-url", "nonsense://")

    assert "no engine for 'nonsense' URLs" in done.stdout


def test_a_failed_assertion_shows_the_line_of_the_test(project: Path) -> None:
    (project / "test_tasks.py").write_text(
        "from pulpo.testing import assert_published\nfrom tasks import welcome\n"
        "def test_it(pulpo_queue):\n    welcome.delay(7)\n"
        "    assert_published(welcome, args=(8,))\n"
    )
    done = run_pytest(project)

    assert "test_tasks.py:5: AssertionError" in done.stdout
    assert "mail.welcome(user_id=7) in queue mail  <- user_id is 7" in done.stdout
    assert "pulpo/testing/queue.py" not in done.stdout


def test_loading_the_plugin_imports_nothing_of_pulpo(project: Path) -> None:
    (project / "test_tasks.py").write_text(
        "import sys\n"
        "def test_nothing():\n"
        "    assert 'pytest_pulpo' in sys.modules\n"
        "    assert [n for n in sys.modules if n.split('.')[0] == 'pulpo'] == []\n"
        "def test_something(pulpo_queue):\n"
        "    assert 'pulpo.testing' in sys.modules\n"
    )
    done = run_pytest(project)

    assert "2 passed" in done.stdout, done.stdout


def test_a_delayed_retried_and_expiring_job_is_tested_without_sleeping(project: Path) -> None:
    (project / "test_tasks.py").write_text(
        "import time, pulpo, pytest\n"
        "from pulpo.testing import drain\n"
        "from tasks import MAILS, welcome\n"
        "def sleep(seconds):\n"
        "    raise AssertionError(f'slept for {seconds}')\n"
        "def test_it(pulpo_queue, pulpo_clock, monkeypatch):\n"
        "    monkeypatch.setattr(time, 'sleep', sleep)\n"
        "    runs = []\n"
        "    @pulpo.job(retries=1, backoff='5m')\n"
        "    def flaky():\n"
        "        runs.append(pulpo.current_job().attempt)\n"
        "        if len(runs) == 1:\n"
        "            raise ConnectionError\n"
        "    flaky.schedule_in('1h')\n"
        "    flaky.using(expires='30m').schedule_in('1h')\n"
        "    assert len(drain()) == 0\n"
        "    pulpo_clock.advance('1h')\n"
        "    done = drain()\n"
        "    assert (done.retried, done.expired) == (1, 1)\n"
        "    pulpo_clock.advance('5m')\n"
        "    assert drain().succeeded == 1\n"
        "    assert runs == [1, 2]\n"
    )
    done = run_pytest(project)

    assert "1 passed" in done.stdout, done.stdout
