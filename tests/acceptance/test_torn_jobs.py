"""A job that a killed server has written in part: zeros where its bytes were, and its line end.

beanstalkd 1.12 writes a record of its log in pieces. Whoever is given such a job and takes the
zeros for odd bytes closes the connection, is given it again, and nothing else is done any more.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.beanstalkd import Beanstalkd
from tests.lab.place import Place
from tests.lab.processes import until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Beanstalkd]:
    with Beanstalkd("-f0", binlog=tmp_path / "binlog") as running:
        yield running


def tear(server: Beanstalkd, binlog: Path, body: bytes) -> None:
    """Put a job, kill the server, and leave of its bytes in the log what was never written."""
    with socket.create_connection(("127.0.0.1", server.port)) as stranger:
        stranger.sendall(b"put 0 0 60 %d\r\n%b\r\n" % (len(body), body))
        assert stranger.recv(100).startswith(b"INSERTED ")
    server.kill()
    (log,) = (path for path in binlog.glob("binlog.*") if body in path.read_bytes())
    written = log.read_bytes()
    log.chmod(0o600)
    log.write_bytes(written.replace(body + b"\r\n", bytes(len(body) + 2)))
    server.start()


def test_a_job_that_was_written_in_part_stops_no_worker_and_is_seen(
    server: Beanstalkd, tmp_path: Path
) -> None:
    place = Place(tmp_path, server.url, server)
    tear(server, tmp_path / "binlog", b"the bytes that were lost")
    (listed,) = place.waiting()
    place.published(place.produce(1, 20))

    with place.worker("--processes", "2") as worker:
        worker.ready()
        place.wait_until_all_done()
        until(
            lambda: [job["state"] for job in place.waiting()] == ["delayed"],
            "the torn job waits for its next try",
        )
        (left,) = place.waiting()
        shown = place.show(left["id"])
        place.pulpo("jobs", "delete", left["id"])
        assert worker.stop() == 0

    assert listed["state"] == "ready"
    assert "not msgpack" in shown["error"] or "not a pulpo job" in shown["error"]
    assert place.waiting() == []
    with socket.create_connection(("127.0.0.1", server.port)) as stranger:
        stranger.sendall(b"stats\r\n")
        said = stranger.recv(4_096)
    connections = int(said.split(b"total-connections: ")[1].split(b"\n")[0])
    assert connections < 100, "nobody has closed a connection for it again and again"
