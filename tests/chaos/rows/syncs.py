"""C1: a job is on the disk before its publish returns, as the kernel sees it (strace).

The engines here are settings. Those that promise it must sync in every publish, after the last byte
was written; those that do not show that this would be seen.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.processes import environment, until

_CALLS = "trace=fsync,fdatasync,write,writev,pwrite64"
_PUBLISHES = """
import os, sys
import pulpo
app = pulpo.Pulpo(sys.argv[1])
app.publish(pulpo.Message(type="t", body={}))
for n in range(int(sys.argv[2])):
    os.write(2, b"BEGIN\\n")
    app.publish(pulpo.Message(type="t", body={"n": n}))
    os.write(2, b"END\\n")
app.close()
"""
_PROMISES = {"sync=full": True, "sync=normal": False, "-f0": True, "-f1000": False}
_WRITES = re.compile(r"\b(?:p?write(?:64)?|writev)\(")
_SYNCS = re.compile(r"\bf(?:data)?sync\(.* = 0$")


def act(trial: Trial) -> None:
    """Publish one by one under strace, and look at each."""
    publishes = trial.figures["publishes"]
    if trial.engine.startswith("-f"):
        pieces = _of_a_server(trial, publishes)
    else:
        pieces = _of_a_file(trial, publishes)
    assert len(pieces) == publishes, f"{len(pieces)} of {publishes} publishes are in the trace"
    synced = sum(map(ends_in_a_sync, pieces))
    trial.count("publishes", publishes)
    trial.count("synced before their return", synced)
    if _PROMISES[trial.engine]:
        trial.must(synced == publishes, f"only {synced} of {publishes} were synced first")
    else:
        trial.must(synced < publishes / 10, f"{synced} were synced that did not have to be")


def ends_in_a_sync(calls: list[str]) -> bool:
    """Tell whether something was written, and after the last of it came a sync that worked."""
    kinds = ["write" if _WRITES.search(call) else "sync" for call in calls if _counts(call)]
    return "write" in kinds and kinds[-1] == "sync"


def _counts(call: str) -> bool:
    return bool(_WRITES.search(call) or _SYNCS.search(call))


def _of_a_file(trial: Trial, publishes: int) -> list[list[str]]:
    """Return what each publish has called, between its BEGIN and its END."""
    trace = trial.folder / "trace"
    url = f"sqlite:///{trial.folder}/q/queue.db?{trial.engine}"
    _run(["strace", "-f", "-y", "-o", str(trace), "-e", _CALLS], trial.folder, url, publishes)
    pieces: list[list[str]] = []
    inside = False
    for line in trace.read_text(errors="replace").splitlines():
        if '"BEGIN\\n"' in line:
            pieces.append([])
            inside = True
        elif '"END\\n"' in line:
            inside = False
        elif inside and "queue.db" in line:
            pieces[-1].append(line)
    return pieces


def _of_a_server(trial: Trial, publishes: int) -> list[list[str]]:
    """Return what the server has called for each put, up to its INSERTED."""
    server, trace = trial.server(trial.engine), trial.folder / "trace"
    with _attached(server, trace) as strace:
        _run([], trial.folder, server.url, publishes)
        # Everything until the trace says so is in it.
        until(lambda: trace.read_text(errors="replace").count("INSERTED") > publishes, "a trace")
        strace.terminate()
    pieces: list[list[str]] = [[]]
    for line in trace.read_text(errors="replace").splitlines():
        if '"INSERTED ' in line:
            pieces.append([])
        elif "binlog" in line:
            pieces[-1].append(line)
    return pieces[1:-1]


def _attached(server: Beanstalkd, trace: Path) -> subprocess.Popen[bytes]:
    strace = subprocess.Popen(
        ["strace", "-y", "-o", str(trace), "-e", _CALLS, "-p", str(server.pid)],
        stderr=subprocess.DEVNULL,
    )
    status = Path(f"/proc/{server.pid}/status")
    until(lambda: f"TracerPid:\t{strace.pid}\n" in status.read_text(), "strace is attached")
    return strace


def _run(tracer: list[str], folder: Path, url: str, publishes: int) -> None:
    subprocess.run(
        [*tracer, sys.executable, "-c", _PUBLISHES, url, str(publishes)],
        cwd=folder,
        env=environment(url, folder),
        check=True,
        capture_output=True,
        timeout=60 + publishes,
    )


ROWS = [
    Row(
        name="C1",
        says="the order of writing, syncing and returning",
        passes="a sync is the last call before the return in all publishes, where it is promised",
        act=act,
        engines=tuple(_PROMISES),
        needs=("strace", "beanstalkd"),
        short={"publishes": 100},
        full={"publishes": 1_000},
    )
]
