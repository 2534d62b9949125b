"""The lab's server does what tests rely on."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.lab.beanstalkd import Beanstalkd


def ask(server: Beanstalkd, command: bytes, *, timeout: float = 5.0) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout) as connection:
        connection.sendall(command + b"\r\n")
        return connection.recv(4096)


pytestmark = pytest.mark.usefixtures("beanstalkd_program")


def test_a_restarted_server_has_its_address_and_its_jobs(tmp_path: Path) -> None:
    with Beanstalkd("-f0", binlog=tmp_path / "binlog") as server:
        assert ask(server, b"put 0 0 60 1\r\nx") == b"INSERTED 1\r\n"
        pid, url = server.pid, server.url

        server.restart()

        assert (server.pid != pid, server.url) == (True, url)
        assert ask(server, b"peek 1") == b"FOUND 1 1\r\nx\r\n"


def test_a_server_without_a_binlog_forgets_its_jobs() -> None:
    with Beanstalkd() as server:
        ask(server, b"put 0 0 60 1\r\nx")

        server.restart()

        assert ask(server, b"peek 1") == b"NOT_FOUND\r\n"


def test_flags_are_given_to_the_server() -> None:
    with Beanstalkd("-z", "3") as server:
        assert ask(server, b"put 0 0 60 4\r\nxxxx").startswith(b"JOB_TOO_BIG")


def test_a_frozen_server_says_nothing_until_it_thaws() -> None:
    with Beanstalkd() as server:
        server.freeze()
        with pytest.raises(TimeoutError):
            ask(server, b"list-tube-used", timeout=0.2)

        server.thaw()

        assert ask(server, b"list-tube-used") == b"USING default\r\n"


def test_a_frozen_server_can_be_stopped() -> None:
    server = Beanstalkd().start()
    pid = server.pid
    server.freeze()

    server.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_draining_server_takes_no_job() -> None:
    with Beanstalkd() as server:
        server.drain()

        assert ask(server, b"put 0 0 60 1\r\nx") == b"DRAINING\r\n"


def test_a_server_listens_on_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with Beanstalkd(unix=path) as server, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b"list-tube-used\r\n")

        assert connection.recv(64) == b"USING default\r\n"
        assert server.url == f"beanstalkd+unix://{path}"


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with Beanstalkd() as server, pytest.raises(RuntimeError, match="did not start"):
        Beanstalkd(port=server.port).start()
