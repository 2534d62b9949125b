"""Producers that fork, that have many threads, that have an event loop: all arrives, once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.lab.place import Place
from tests.lab.processes import environment, is_alive, until

# Publishes and notes; `pulpo` is imported and used before anything is forked.
PROLOGUE = """
import asyncio, multiprocessing, os, sys, threading
from pathlib import Path
import pulpo
from tests.lab.ledger import Ledger
from tests.lab.tasks import note

ledger = Ledger(Path(os.environ["LEDGER"]))

def accepted(references):
    for reference in references:
        ledger.note("attempted", reference.id)
        ledger.note("accepted", reference.id)

def publish(count):
    for _ in range(count):
        accepted([note.delay()])

if __name__ == "__main__":
    publish(5)
"""

FORKS = """
    children = []
    for n in range(8):
        pid = os.fork()
        if not pid:
            publish(10)
            accepted(note.delay_many([()] * 10))
            sys.exit(0)  # a normal end: with everything that runs at exit
        children.append(pid)
        publish(2)  # while they do
    assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
    publish(5)
    for kind in ("fork", "spawn"):
        workers = [
            multiprocessing.get_context(kind).Process(target=publish, args=(5,)) for _ in range(3)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
    publish(5)
"""

THREADS = """
    threads = [threading.Thread(target=publish, args=(50,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    publish(5)
"""

EVENT_LOOP = """
    async def main():
        accepted(await asyncio.gather(*(note.adelay() for _ in range(200))))
        accepted(await note.adelay_many([()] * 50))
        async def impatient():
            await note.adelay()
        task = asyncio.create_task(impatient())
        await asyncio.sleep(0)
        task.cancel()  # published or not: what was begun must not confuse what follows
        accepted([await note.adelay()])
    asyncio.run(main())
    publish(5)
"""


def run(place: Place, script: str) -> None:
    """Run a producer to its end, and then all of its jobs."""
    (place.folder / "program.py").write_text(PROLOGUE + script)
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=place.folder,
        env=environment(place.url, place.ledger.folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with place.worker("--burst") as worker:
        assert worker.wait() == 0


def test_forked_children_publish_and_their_parent_goes_on(place: Place) -> None:
    run(place, FORKS)

    account = place.account(kept=[job["id"] for job in place.waiting()])
    assert account.complaints() == []
    assert account.done == 5 + 8 * 22 + 5 + 6 * 5 + 5


def test_eight_threads_publish_at_once(place: Place) -> None:
    run(place, THREADS)

    account = place.account(kept=[job["id"] for job in place.waiting()])
    assert account.complaints() == []
    assert account.done == 5 + 8 * 50 + 5


def test_200_calls_of_one_event_loop_at_once(place: Place) -> None:
    run(place, EVENT_LOOP)

    account = place.account(kept=[job["id"] for job in place.waiting()])
    # The cancelled call is in nobody's books, and may have been accepted.
    assert (account.lost, account.doubled, account.unsettled) == ((), {}, ())
    assert len(account.invented) <= 1
    assert account.done - len(account.invented) == 5 + 250 + 1 + 5


def test_a_handlers_own_child_does_not_keep_its_job_from_others(place: Place) -> None:
    (place.folder / "shop.py").write_text(
        "import os, time, pulpo\n"
        "from tests.lab.tasks import LEDGER\n"
        "@pulpo.job(type='forks')\n"
        "def forks():\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        os.setsid()  # beyond the reach of whoever ends the process group\n"
        "        time.sleep(60)\n"
        "        os._exit(0)\n"
        "    LEDGER.note('begun', pulpo.current_job().id, child=pid)\n"
        "    time.sleep(60)\n"
    )
    place.pulpo("publish", "forks", "{}")

    with place.worker("--processes", "1", module="shop") as worker:
        place.wait_for("begun", 1)
        child = place.ledger.read("begun")[0].facts["child"]
        try:
            until(lambda: place.stats()["reserved"] == 1, "its job is reserved")
            orphans = worker.kill()
            until(lambda: not any(map(is_alive, orphans)), "the end of the worker")
            until(lambda: place.stats()["ready"] == 1, "its job is ready for others")
            alive = is_alive(child)
        finally:
            os.kill(child, signal.SIGKILL)

    assert alive  # for a minute: it did not have to end first
