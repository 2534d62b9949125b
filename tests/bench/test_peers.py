"""Other libraries are measured as pulpo is; who can't be is named with what is missing."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.peers import libraries
from bench.peers.command import main
from bench.peers.environments import NotInstalledError, python_of
from bench.peers.field import PEERS, Peer
from bench.peers.kill import Aftermath
from bench.peers.rates import METRICS
from bench.peers.report import Finding, render_kills, render_rates

FILE = next(peer for peer in PEERS if peer.name == "pulpo-file")


def modules() -> dict[str, str]:
    (folder,) = libraries.__path__
    return {path.stem: path.read_text() for path in Path(folder).glob("with_*.py")}


def test_pulpo_is_a_peer_like_all_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "peers.json"

    assert main(["pulpo-file", "--n", "20", "--rounds", "1", "--json", str(file)]) == 0

    (found,) = json.loads(file.read_text(encoding="utf-8"))["peers"]
    (sample,) = found["samples"]
    assert set(sample) == set(METRICS) - {"together/s"}
    assert all(value > 0 for metric, value in sample.items() if metric != "idle CPU %")
    assert found["kill"]["in_flight"] > 0
    assert (found["kill"]["missing"], found["kill"]["twice"]) == (0, 0)
    assert found["versions"]["pulpo-messaging"]
    assert found["reason"] == ""
    printed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line]
    assert printed.count("pulpo-file") == 2


def test_a_peer_whose_server_is_missing_is_listed_with_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("bench.peers.servers._DEBIAN_POSTGRESQL", tmp_path)

    assert main(["arq", "celery-rabbitmq", "chancy", "pulpo-beanstalkd", "--rounds", "1"]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert "not run: arq: no redis-server on this machine" in lines
    assert "not run: celery-rabbitmq: no rabbitmq-server on this machine" in lines
    assert "not run: chancy: no postgres on this machine" in lines
    assert "not run: pulpo-beanstalkd: no beanstalkd on this machine" in lines


def test_an_unknown_peer_is_refused_and_those_that_exist_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["celary"])

    said = capsys.readouterr().err
    assert "no peer is called 'celary'" in said
    assert all(peer.name in said for peer in PEERS)


def test_a_library_that_cannot_be_installed_says_which(tmp_path: Path) -> None:
    peer = replace(FILE, module="with_nothing", packages=("no name!",))

    with pytest.raises(NotInstalledError, match="no name!"):
        python_of(peer, tmp_path)


def test_a_worker_that_ends_at_once_is_told_with_its_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(FILE, workers=[["python", "-c", "raise SystemExit('no such thing')"]])
    monkeypatch.setattr("bench.peers.command.PEERS", (broken,))

    assert main(["--only", "rates", "--n", "1", "--rounds", "1"]) == 1

    (line,) = [line for line in capsys.readouterr().out.splitlines() if "not run" in line]
    assert line.startswith("not run: pulpo-file: RuntimeError: 0 of 1 jobs ran, then no more:")
    assert line.endswith("no such thing")


def test_each_peer_has_a_module_that_publishes_and_each_module_a_peer() -> None:
    assert {peer.module for peer in PEERS} == set(modules())
    for name, text in modules().items():
        assigned = [
            target.id
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        ]
        assert "PRODUCER" in assigned, name


def processes_of(peer: Peer) -> int:
    """Count the worker processes that the commands ask for, where they say so."""
    words = [word for command in peer.workers for word in command]
    for option in ("--processes", "--workers", "-p", "-w"):
        if option in words and words[words.index(option) + 1].isdigit():
            return int(words[words.index(option) + 1])
    return len(peer.workers)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_works_with_two_processes(peer: Peer) -> None:
    assert processes_of(peer) == 2


def test_what_was_not_measured_has_a_dash_in_the_tables() -> None:
    found = Finding(peer=FILE, samples=[{"publish/s": 1_000.0}, {"publish/s": 3_000.0}])
    found.kill = Aftermath(
        finished=18, in_flight=2, missing_soon=1, missing=0, waited=31.25, twice=0
    )

    rates = render_rates([found]).splitlines()[-1].split()
    assert rates == ["pulpo-file", "disk,", "synced", "2,000", *["-"] * 10]
    assert render_kills([found], 150).splitlines()[-1].split() == [
        "pulpo-file", "18", "2", "1", "0", "31.2", "0",
    ]  # fmt: skip
