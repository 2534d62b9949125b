"""`pulpo replay`: one job on the code that is here, and a queue that hears nothing of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.command_line import Said
from tests.lab.place import Place
from tests.lab.processes import until

NOBODY = "0198c0de-7a11-7b0b-8123-6c6f73746a6f"
TASKS = """
import asyncio
import time
from pathlib import Path

import pulpo

MENDED = Path("mended")

@pulpo.job(type="user.greet", retries=0)
def greet(user_id: int, *, lang: str = "en") -> None:
    if not MENDED.exists():
        raise ValueError(f"no such user: {user_id} in {lang}")
    run = pulpo.current_job()
    print("greeted", user_id, run.id, run.attempt, run.queue, dict(run.headers))

@pulpo.job(type="user.agreet", retries=0)
async def agreet(user_id: int) -> None:
    await asyncio.sleep(0)
    if not MENDED.exists():
        raise ValueError(f"no such user: {user_id} in async")
    print("greeted", user_id)

class Resize:
    def handle(self, message: pulpo.Message) -> pulpo.Outcome | None:
        return pulpo.Bury(f"no such image: {message.body['path']}")

pulpo.register("image.resize", Resize())

@pulpo.job(type="says")
def says(what: str):
    return {
        "retry": pulpo.Retry("5m", "later"),
        "snooze": pulpo.Snooze("5m"),
        "cancel": pulpo.Cancel("not wanted"),
    }[what]

@pulpo.job(type="short", timeout=0.05, backoff=60)
def short() -> None:
    time.sleep(0.2)

@pulpo.job(type="endless")
def endless() -> None:
    print("begun", flush=True)
    time.sleep(60)

@pulpo.job(type="aendless")
async def aendless() -> None:
    print("begun", flush=True)
    await asyncio.sleep(60)
"""


@pytest.fixture
def shop(place: Place) -> Place:
    (place.folder / "shop.py").write_text(TASKS)
    return place


def mend(shop: Place) -> None:
    (shop.folder / "mended").touch()


def publish(shop: Place, type: str, body: str = "null", *options: str) -> str:
    said = shop.pulpo("publish", type, body, *options)
    assert said.code == 0, said.err
    return said.out.strip()


def buried(shop: Place, type: str, body: str, *options: str) -> str:
    """Publish a job, and let a worker bury it; return its id."""
    job_id = publish(shop, type, body, *options)
    with shop.worker("--processes", "1", module="shop") as worker:
        until(lambda: shop.show(job_id)["state"] == "buried", "a buried job")
        worker.stop()
    return job_id


def replayed(shop: Place, job_id: str, *options: str, stdin: str = "") -> Said:
    return shop.pulpo("replay", job_id, "shop", *options, stdin=stdin)


@pytest.mark.parametrize(
    ("type", "body"),
    [
        ("user.greet", '{"user_id": 7, "lang": "de"}'),
        ("user.agreet", '{"user_id": 7}'),
        ("image.resize", '{"path": "a.png"}'),
    ],
)
def test_the_error_of_a_buried_job_comes_again(shop: Place, type: str, body: str) -> None:
    job_id = buried(shop, type, body)
    before = shop.show(job_id)

    said = replayed(shop, job_id)

    assert said.code == 1
    assert f"{type} {job_id} queue=default attempt=2" in said.out
    assert "a worker would bury it" in said.out
    assert "no such" in before["error"]
    # The same error with the same frames, none of which is pulpo's own.
    assert all(line in said.out for line in before["error"].splitlines())
    assert "worker/execute.py" not in said.out
    assert shop.show(job_id) == before


def test_a_job_that_succeeds_here_stays_in_its_queue(shop: Place) -> None:
    job_id = buried(shop, "user.greet", '{"user_id": 7}', "--header", "tenant=acme")
    mend(shop)
    before = shop.show(job_id)

    said = replayed(shop, job_id)

    assert said.code == 0, said.err
    assert f"greeted 7 {job_id} 2 default {{'tenant': 'acme'}}" in said.out
    assert "\nsuccess in " in said.out
    assert shop.show(job_id) == before


@pytest.mark.parametrize("type", ["user.greet", "user.agreet"])
def test_settle_deletes_what_has_succeeded_and_only_that(shop: Place, type: str) -> None:
    job_id = buried(shop, type, '{"user_id": 7}')

    assert replayed(shop, job_id, "--settle").code == 1
    assert shop.show(job_id)["state"] == "buried"
    mend(shop)
    said = replayed(shop, job_id, "--settle")

    assert (said.code, f"deleted {job_id}" in said.out) == (0, True)
    assert shop.pulpo("jobs", "show", job_id).code == 3
    assert replayed(shop, job_id).code == 3


def test_a_job_that_a_worker_runs_is_not_settled(shop: Place) -> None:
    job_id = publish(shop, "endless")
    with shop.worker("--processes", "1", "--grace", "0", module="shop") as worker:
        until(lambda: shop.show(job_id)["state"] == "reserved", "a job that is run")

        said = replayed(shop, job_id, "--settle")

        assert (said.code, said.out) == (5, "")
        assert "a worker is running" in said.err
        worker.stop()


def test_a_job_that_a_worker_takes_meanwhile_is_not_settled(shop: Place) -> None:
    job_id = publish(shop, "user.greet", '{"user_id": 7}')
    # A handler that is being looked at takes its time; here it lets somebody else be faster.
    (shop.folder / "shop.py").write_text(
        "import os, pulpo\n"
        "from pulpo.adapters import open_engine\n"
        "@pulpo.job(type='user.greet')\n"
        "def greet(user_id):\n"
        "    greet.other = open_engine(os.environ['PULPO_URL']).adapter()\n"
        "    greet.other.exchange([], ['default'], limit=1, timeout=5)\n"
    )

    said = replayed(shop, job_id, "--settle")

    assert said.code == 5
    assert "was not deleted: it is reserved" in said.err


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        ("retry", 1, "failed in .*: a worker would try it again in 5m"),
        ("snooze", 1, "snoozed in .*: a worker would run it again in 5m"),
        ("cancel", 0, "cancelled in .*: not wanted"),
    ],
)
def test_what_a_handler_says_is_told(shop: Place, what: str, code: int, words: str) -> None:
    job_id = publish(shop, "says", f'{{"what": "{what}"}}')

    said = replayed(shop, job_id)

    assert said.code == code
    assert re.search(words, said.out)
    assert "is ready: a worker may run it as well" in said.err
    assert shop.show(job_id)["state"] == "ready"


def test_a_run_longer_than_its_timeout_has_failed(shop: Place) -> None:
    said = replayed(shop, publish(shop, "short"))

    assert said.code == 1
    assert "a worker would try it again in 1m: " in said.out
    assert "timed out after 50ms" in said.out


def test_a_job_that_this_code_can_not_run_says_why(shop: Place) -> None:
    unknown = publish(shop, "nobody.knows")
    misfit = publish(shop, "user.greet", '{"name": "x"}')
    broken = shop.pulpo.put(body=b"\xc1 not a job")
    number = next(job["id"] for job in shop.waiting() if job["type"] is None) or broken

    for job_id, words in (
        (unknown, "no handler for job type 'nobody.knows'"),
        (misfit, "arguments do not fit 'user.greet'"),
        (number, "undecodable"),
    ):
        said = replayed(shop, job_id)

        assert (said.code, words in said.out) == (1, True), said


def test_an_expired_job_is_run_with_a_word(shop: Place) -> None:
    mend(shop)
    job_id = shop.pulpo.put(queue="default", type="user.agreet", expires=time.time() - 5, body=None)
    said = replayed(shop, job_id)

    assert "it has expired: a worker would delete it without running it" in said.out
    assert "arguments do not fit" in said.out


def test_the_debugger_opens_where_the_handler_raised(shop: Place) -> None:
    job_id = buried(shop, "user.greet", '{"user_id": 41}')

    said = replayed(shop, job_id, "--pdb", stdin="p user_id + 1\nq\n")

    assert said.code == 1
    assert "(Pdb) 42" in said.out


def test_without_an_error_there_is_nothing_to_debug(shop: Place) -> None:
    said = replayed(shop, publish(shop, "says", '{"what": "cancel"}'), "--pdb")

    assert (said.code, "nothing to debug" in said.err) == (0, True)


@pytest.mark.parametrize("type", ["endless", "aendless"])
def test_an_interrupt_ends_the_run_and_is_no_outcome(shop: Place, type: str) -> None:
    job_id = publish(shop, type)
    with subprocess.Popen(
        [sys.executable, "-m", "pulpo", "--url", shop.url, "replay", job_id, "shop"],
        cwd=shop.folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("PULPO")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        time.sleep(0.2)  # it has said so, and is still on its way into its sleep
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)

    assert (process.returncode, out) == (130, b"")
    assert shop.show(job_id)["state"] == "ready"


def test_usage_and_absence_have_their_own_exit_codes(shop: Place, tmp_path: Path) -> None:
    assert replayed(shop, NOBODY).code == 3
    assert shop.pulpo("replay", NOBODY).code == 2
    assert shop.pulpo("replay", NOBODY, "shpo").code == 2
    assert shop.pulpo("replay", "no id", "shop").code == 2
    assert shop.pulpo("replay", NOBODY, "shop", "--url", "beanstalkd://127.0.0.1:1").code == 4
