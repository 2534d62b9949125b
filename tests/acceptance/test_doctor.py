"""`pulpo doctor` beside workers that work, on queues in trouble, and on a damaged file."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.acceptance.command_line import CommandLine, Said
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.place import Place
from tests.lab.processes import environment, is_alive, until


def checks(said: Said) -> dict[str, dict[str, Any]]:
    """Return the checks that doctor has printed as JSON, by name."""
    return {check["name"]: check for check in said.lines[0]["checks"]}


def faults(said: Said) -> set[str]:
    return {name for name, check in checks(said).items() if check["level"] == "fault"}


def test_a_queue_at_work_is_not_disturbed(place: Place) -> None:
    producers = place.produce(2, 300)
    with place.worker():
        place.wait_for("done", 1, patience=60)
        for _ in range(3):
            said = place.pulpo("doctor", "--json")
            assert said.code == 0, said
            assert said.lines[0]["ok"] is True
            assert checks(said)["workers"]["level"] == "ok"
        place.published(producers)
        place.wait_until_all_done(patience=60)

    assert place.ledger.count("done") == place.ledger.count("accepted") == 600
    assert place.waiting() == []


def test_dead_workers_are_counted_and_their_work_is_missed(file_place: Place) -> None:
    with file_place.worker("--processes", "1") as worker:
        file_place.published(file_place.produce(1, 5))
        file_place.wait_until_all_done()
        alive = checks(file_place.pulpo("doctor", "--json"))["owners"]["found"]
        killed = worker.kill()
        until(lambda: not any(map(is_alive, killed)), "the processes of the worker gone")
    file_place.published(file_place.produce(1, 5))

    found = checks(file_place.pulpo("doctor", "--json"))

    assert alive == "1 worker process alive"
    assert found["owners"]["found"].startswith("0 worker processes alive, 1 dead")
    assert found["workers"]["level"] == "warning"
    assert found["workers"]["found"].startswith("5 ready in 'default'")


def test_a_server_that_is_frozen_or_gone_is_out_of_reach(beanstalkd_place: Place) -> None:
    server = beanstalkd_place.server
    assert server is not None
    server.freeze()
    begun = time.monotonic()
    frozen = beanstalkd_place.pulpo("doctor", "--json")
    took = time.monotonic() - begun
    server.kill()
    gone = beanstalkd_place.pulpo("doctor", "--json")

    assert (frozen.code, gone.code) == (4, 4)
    assert took < 20, "10 s, and room for a busy machine"
    assert faults(frozen) == faults(gone) == {"reach"}
    assert checks(gone)["signing"]["level"] == "note", "what can be known without it"
    assert frozen.lines[0]["ok"] is False


def test_a_person_sees_what_is_wrong_and_that_it_takes_a_while(
    tmp_path: Path, beanstalkd_program: str
) -> None:
    with Beanstalkd() as server:
        said = CommandLine(tmp_path, server.url)("doctor")

    assert said.code == 1
    assert "fault    binlog        none: jobs are kept in memory only\n" in said.out
    assert "do:  start beanstalkd with `-b /var/lib/beanstalkd -f 0`" in said.out
    assert "3 s" in said.err
    assert "1 fault" in said.err.splitlines()[-1]


def test_an_interrupted_doctor_leaves_nothing(beanstalkd_place: Place) -> None:
    doctor = subprocess.Popen(
        [sys.executable, "-m", "pulpo", "doctor"],
        cwd=beanstalkd_place.folder,
        env=environment(beanstalkd_place.url, beanstalkd_place.ledger.folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert doctor.stderr is not None
    assert b"eight leases" in doctor.stderr.readline()
    time.sleep(0.5)
    doctor.send_signal(signal.SIGINT)
    doctor.communicate(timeout=30)

    assert doctor.returncode == 130
    said = beanstalkd_place.pulpo("stats", "--json").lines[0]["queues"]
    assert set(said) == {"default"}


def test_what_a_spool_keeps_is_told_and_the_server_is_tried_behind_it(
    beanstalkd_place: Place,
) -> None:
    server = beanstalkd_place.server
    assert server is not None
    folder = beanstalkd_place.folder
    look = CommandLine(folder, f"{server.url}?spool={folder}/spool")
    assert checks(look("doctor", "--json"))["spool"]["level"] == "ok"
    server.kill()
    look("publish", "ledger.note")
    away = look("doctor", "--json")
    server.start()
    back = look("doctor", "--json")

    assert away.code == 4
    assert faults(away) == {"reach"}
    assert checks(away)["spool"]["found"].startswith("1 waiting")
    assert back.code == 0
    assert checks(back)["spool"]["found"].startswith("1 waiting"), "doctor relays nothing"
    assert checks(back)["writes"]["level"] == "ok"


def test_an_absent_queue_is_not_made(tmp_path: Path) -> None:
    said = CommandLine(tmp_path, "sqlite:///.pulpo/queue.db")("doctor", "--json")

    assert said.code == 0
    assert "nothing there yet" in checks(said)["file"]["found"]
    assert not list(tmp_path.iterdir())


def test_a_damaged_queue_is_salvaged_and_goes_on(tmp_path: Path) -> None:
    old = CommandLine(tmp_path, f"sqlite:///{tmp_path}/old/queue.db")
    ids = {old.put(body=None, text="x" * 300) for _ in range(60)}
    file = tmp_path / "old" / "queue.db"
    data = bytearray(file.read_bytes())
    # A leaf of a table, by its first byte (sqlite.org/fileformat2.html), that holds jobs.
    leaves = [at for at in range(4_096, len(data), 4_096) if data[at] == 0x0D]
    page = next(at for at in leaves if b"x" * 300 in data[at : at + 4_096])
    data[page : page + 4_096] = b"\xff" * 4_096
    file.write_bytes(data)

    hurt = old("jobs", "list", "--limit", "1000")
    assert hurt.code == 4
    assert "pulpo doctor --salvage" in hurt.err
    looked = old("doctor", "--json")
    assert looked.code == 1
    assert "integrity" in faults(looked)
    saved = old("doctor", "--salvage", "new.db")

    assert saved.code == 0, saved
    new = CommandLine(tmp_path, f"sqlite:///{tmp_path}/new.db")
    kept = {job["id"] for job in new("jobs", "list", "--limit", "1000", "--json").lines}
    lost = {line.split()[1] for line in saved.err.splitlines() if line.startswith("lost: ")}
    assert saved.out == f"{len(kept)} jobs copied into new.db\n"
    assert kept | lost == ids
    assert not kept & lost
    assert len(lost) < 20
    assert file.read_bytes() == data
    assert new("doctor", "--json").code == 0
