"""N2: nothing listens for the network: worker, guardian, sandbox, producer, command line.

What listens is read from Linux, by the sockets that each process has open. A command of the command
line is too short for that; what it binds is told by Python's own audit of it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.processes import WorkerProcess, children, environment, until, users_of

_LISTENS = "0A"
_COMMANDS = ("publish ledger.note {}", "stats", "jobs list", "pause default", "resume default")
_COMMANDS += ("jobs kick --all -q default", "doctor")
# Says on stderr what is bound, whatever becomes of it, and runs a command of pulpo.
_AUDITED = """
import sys
def note(event, arguments):
    if event == "socket.bind" and isinstance(arguments[1], tuple):
        sys.stderr.write(f"BOUND {arguments[1]!r}\\n")
sys.addaudithook(note)
from pulpo.cli import run
sys.exit(run(sys.argv[1:]))
"""


def act(trial: Trial) -> None:
    """Look at every kind of process that there is."""
    _prove_that_it_would_be_seen()
    place = trial.place()
    producers = place.produce(1, 60, "--pause=0.1")
    gated = place.produce(1, 1, "--type=ledger.gated")
    place.published(gated)
    with place.worker("--processes", "1", "--threads", "2") as worker:
        # Twice under it: then it runs in a sandbox, which is one more kind of process.
        killed: set[int] = set()
        for _ in range(2):
            killed.add(_kill_under_the_gated_job(place, worker, killed))
        until(lambda: len(_family(worker)) == 3, "supervisor, process and sandbox")
        place.wait_for("done", 5)
        # The worker's guardian is nobody's child; all of them share the environment.
        found = {pid: listening(pid) for pid in users_of(place.ledger.folder)}
        expected = {*_family(worker), *(process.pid for process in producers)}
        trial.count("processes", len(found))
        trial.must(expected < found.keys(), f"each was looked at, and the guardian: {expected}")
        trial.must(not any(found.values()), f"nothing listens: {found}")
        (place.ledger.folder / "gate").touch()
        place.published(producers)
        place.wait_until_all_done()
        codes = worker.stop()
        trial.must(codes == 0, f"the worker ended with {codes}")
    _run_commands(trial, place)


def listening(pid: int) -> list[str]:
    """Return where a process listens: TCP, and UDP that is bound; as the kernel writes it."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        table = Path(f"/proc/{pid}/net/{kind}")
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            # sl, local address, remote address, state, queues, timer, retransmits, uid, ..., inode
            fields = line.split()
            if fields[9] in inodes and (kind.startswith("udp") or fields[3] == _LISTENS):
                found.append(f"{kind} {fields[1]}")
    return found


def _prove_that_it_would_be_seen() -> None:
    assert listening(os.getpid()) == [], "this process listens itself"
    with socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        assert [each.split()[0] for each in listening(os.getpid())] == ["tcp", "udp"]


def _kill_under_the_gated_job(place: Place, worker: WorkerProcess, killed: set[int]) -> int:
    """Kill the process that runs it, once it is another one than before; return which it was."""
    holders: list[int] = []

    def is_begun() -> bool:
        begun, done = place.ledger.read("begun"), place.ledger.read("done")
        gated = {entry.id for entry in begun} - {entry.id for entry in done}
        # Whom we have killed may still be seen for a moment.
        here = set(worker.children()) - killed
        holders[:] = [entry.pid for entry in begun if entry.id in gated and entry.pid in here]
        return bool(holders)

    until(is_begun, f"the gated job begins, after {len(killed)} kills", pause=0.05)
    os.kill(holders[0], signal.SIGKILL)
    return holders[0]


def _family(worker: WorkerProcess) -> list[int]:
    found = worker.children()
    return [worker.pid, *found, *(pid for child in found for pid in children(child))]


def _run_commands(trial: Trial, place: Place) -> None:
    for command in _COMMANDS:
        done = subprocess.run(
            [sys.executable, "-c", _AUDITED, *command.split()],
            cwd=place.folder,
            env=environment(place.url, place.ledger.folder),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        trial.must("BOUND" not in done.stderr, f"{command} binds nothing: {done.stderr}")
        trial.must(done.returncode in (0, 1), f"{command} ran: {done.returncode} {done.stderr}")
        trial.count("commands")


ROWS = [
    Row(
        name="N2",
        says="who listens for the network",
        passes="no process of pulpo does",
        act=act,
        short={"commands": len(_COMMANDS)},
        full={"commands": len(_COMMANDS)},
    )
]
