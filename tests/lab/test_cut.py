"""The library that kills at a byte: what is before it arrives, what is behind it does not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.cut import cutting
from tests.lab.needs import need
from tests.lab.processes import ROOT


@pytest.fixture(autouse=True)
def compiler() -> None:
    need("compiler")


def run(code: str, *pass_fds: int) -> int:
    environ = {**os.environ, **cutting(), "PYTHONPATH": str(ROOT)}
    start = "import os, socket, sys; from tests.lab.cut import arm\n"
    ended = subprocess.run(
        [sys.executable, "-c", start + code], env=environ, pass_fds=pass_fds, check=False
    )
    return ended.returncode


def test_a_process_is_killed_at_a_byte_of_what_it_sends() -> None:
    here, there = socket.socketpair()
    with here, there:
        code = f"line = socket.socket(fileno={there.fileno()}); arm(25)\n"
        code += "while True: line.send(b'0123456789')"
        assert run(code, there.fileno()) == -signal.SIGKILL
        assert here.recv(100) == b"0123456789012345678901234"


def test_a_process_is_killed_at_a_byte_of_what_it_writes_at_a_place(tmp_path: Path) -> None:
    file = tmp_path / "file"
    code = f"fd = os.open({str(file)!r}, os.O_RDWR | os.O_CREAT); arm(7)\n"
    code += "os.pwrite(fd, b'x' * 50, 0)"
    assert run(code) == -signal.SIGKILL
    assert file.read_bytes() == b"x" * 7


def test_it_may_die_when_all_is_written_and_nothing_synced(tmp_path: Path) -> None:
    file = tmp_path / "file"
    code = f"fd = os.open({str(file)!r}, os.O_RDWR | os.O_CREAT); arm(60)\n"
    code += "os.pwrite(fd, b'x' * 50, 0); os.fsync(fd)"
    assert run(code) == -signal.SIGKILL
    assert file.read_bytes() == b"x" * 50


def test_who_is_not_armed_lives() -> None:
    assert run("a, b = socket.socketpair(); a.send(b'x' * 5000); print(len(b.recv(9000)))") == 0
