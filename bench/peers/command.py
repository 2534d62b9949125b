"""`./dev bench --peers [NAME...]`: pulpo and other libraries under one ruler."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench.machine import describe, headline
from bench.peers.environments import NotInstalledError, python_of, versions_of
from bench.peers.field import PEERS, Peer
from bench.peers.kill import kill_workers
from bench.peers.rates import take_rates
from bench.peers.report import Finding, as_json, render_kills, render_rates
from bench.peers.servers import DEBIAN_PACKAGES, missing_server, open_server
from bench.peers.stage import Stage
from bench.progress import Progress

_NAMES = [peer.name for peer in PEERS]
_KILLS_AT_ONCE = 4  # they sleep nearly all of the time

_NOTE = """
Medians; two worker processes each; jobs that do nothing. many: 1,000 a call. together: 100 calls
at once. drain: from the first start to the last. p50, p99: from the call to the job's first line,
idle worker. sleeps: 1,000 jobs of 10 ms."""
_KILL_NOTE = """
50 jobs of 0.2 s; everything killed with -9 after the 20th start; then the worker is started again.
missing: has not run yet. twice: ran to its end two times."""


def main(arguments: Sequence[str]) -> int:
    """Measure what was asked for, print both tables and who did not run."""
    asked = _parse(arguments)
    machine = describe()
    print(headline(machine), file=sys.stderr)
    chosen = [peer for peer in PEERS if not asked.names or peer.name in asked.names]
    if asked.install_servers:
        _install_servers(sorted({peer.server for peer in chosen}))
    findings = [Finding(peer=peer, reason=missing_server(peer.server) or "") for peer in chosen]
    _measure(findings, asked)
    if asked.only != "kill":
        print(render_rates(findings), _NOTE, sep="\n")
    if asked.only != "rates":
        print("\n" + render_kills(findings, asked.wait), _KILL_NOTE, sep="\n")
    for found in findings:
        if found.peer.note and found.samples:
            print(f"{found.peer.name}: {found.peer.note}")
    for found in findings:
        if found.reason:
            how = "not finished" if found.samples else "not run"
            print(f"{how}: {found.peer.name}: {_brief(found.reason)}")
    if asked.json:
        text = json.dumps(as_json(findings, machine), indent=1)
        asked.json.write_text(text + "\n", encoding="utf-8")
    return 0 if any(found.samples or found.kill for found in findings) else 1


def _brief(reason: str) -> str:
    """Return the first line and the last: what, and what a program's log ends with."""
    lines = reason.strip().splitlines()
    return lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1]}"


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench --peers",
        description="pulpo beside other libraries, each with its own server and environment.",
        epilog=f"peers: {', '.join(_NAMES)}",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these, see below")
    parser.add_argument("--n", type=int, help="jobs a run, instead of each one's own")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each peer")
    parser.add_argument("--only", choices=("rates", "kill"), help="one of the two tables")
    parser.add_argument("--wait", type=float, default=150, help="seconds after a kill -9")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument(
        "--install-servers",
        action="store_true",
        help="install missing servers with apt-get; as root, on Debian and Ubuntu",
    )
    asked = parser.parse_args(arguments)
    for name in asked.names:
        if name not in _NAMES:
            parser.error(f"no peer is called {name!r}; there are: {', '.join(_NAMES)}")
    if asked.install_servers and os.geteuid():
        parser.error("--install-servers needs root")
    return asked


def _install_servers(servers: Sequence[str]) -> None:
    packages = [
        DEBIAN_PACKAGES[server]
        for server in servers
        if server in DEBIAN_PACKAGES and missing_server(server)
    ]
    if packages:
        # Outside a run level, packages start no server by themselves: ours have ports of their own.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
        subprocess.run(command, env=environment, stdout=sys.stderr, check=True)


def _measure(findings: Sequence[Finding], asked: argparse.Namespace) -> None:
    can = [found for found in findings if not found.reason]
    rounds = 0 if asked.only == "kill" else asked.rounds
    kills = 0 if asked.only == "rates" else 1
    with Progress(len(can) * (1 + rounds + kills)) as progress:
        progress.begin("environments")
        for found in can:
            progress.step(found.peer.name)
            _guard(found, partial(_install, found))
        for number in range(rounds):
            progress.begin(f"rates, {number + 1} of {rounds}")
            for found in can:
                progress.step(found.peer.name)
                _guard(found, partial(_rates, found, asked.n or found.peer.n))
        if kills:
            progress.begin(f"kill -9, up to {asked.wait:g} s each")
            with ThreadPoolExecutor(_KILLS_AT_ONCE) as pool:
                works = [partial(_kill, found, asked.wait) for found in can]
                for found, _ in zip(can, pool.map(_guard, can, works), strict=True):
                    progress.step(found.peer.name)


def _guard(found: Finding, work: Callable[[], None]) -> None:
    """Do it unless something has failed before; say what has failed now."""
    if found.reason:
        return
    try:
        work()
    except NotInstalledError as error:
        found.reason = f"could not be installed: {error}"
    except Exception as error:  # noqa: BLE001  # one library's trouble is not the others'
        found.reason = f"{type(error).__name__}: {error}"


def _install(found: Finding) -> None:
    found.versions = versions_of(python_of(found.peer))


def _rates(found: Finding, n: int) -> None:
    with open_server(found.peer.server) as (url, folder):
        found.samples.append(take_rates(_stage(found.peer, url, folder), found.peer, n))


def _kill(found: Finding, wait: float) -> None:
    with open_server(found.peer.server) as (url, folder):
        stage = _stage(found.peer, url, folder, tuned=False)
        found.kill = kill_workers(stage, found.peer, wait=wait)


def _stage(peer: Peer, url: str, folder: Path, *, tuned: bool = True) -> Stage:
    return Stage(peer, python=python_of(peer), url=url, folder=folder, tuned=tuned)
