"""The small HTTP server, in a thread that polls it; clients are real sockets."""

from __future__ import annotations

import http.client
import select
import socket
import threading
from collections.abc import Iterator

import pytest

from pulpo.clock import ManualClock
from pulpo.worker.board import Answer
from pulpo.worker.http_server import LARGEST_REQUEST, MOST_CLIENTS, HttpServer, listen
from tests.worker.stage import until

LONG = b"x" * 3_000_000


def answer(path: str) -> Answer:
    if path == "/broken":
        raise LookupError("a bug")
    return Answer(200, "text/plain", LONG if path == "/long" else path.encode())


class Served:
    """A server, and somebody who waits for it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        sock = listen("127.0.0.1", 0)
        self.port: int = sock.getsockname()[1]
        self.server = HttpServer(sock, answer, self.clock)
        self.is_over = False
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        while not self.is_over:
            poll = select.poll()
            self.server.wait_in(poll)
            for fd, _ in poll.poll(10):
                self.server.serve(fd)
        self.server.close()

    def raw(self, data: bytes = b"") -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        sock.sendall(data)
        return sock

    def get(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path)
            found = connection.getresponse()
            return found.status, found.read()
        finally:
            connection.close()


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served()
    yield found
    found.is_over = True
    found.thread.join(5)


def read_all(sock: socket.socket) -> bytes:
    data = b""
    with sock:
        while piece := sock.recv(65_536):
            data += piece
    return data


def test_a_path_is_answered_without_its_query(served: Served) -> None:
    assert served.get("/metrics?a=b") == (200, b"/metrics")


def test_a_long_answer_arrives_whole_at_a_slow_client(served: Served) -> None:
    slow = served.raw(b"GET /long HTTP/1.1\r\n\r\n")

    assert served.get("/quick") == (200, b"/quick")
    assert read_all(slow).endswith(b"\r\n\r\n" + LONG)


def test_a_request_may_come_in_pieces(served: Served) -> None:
    sock = served.raw(b"GET /pie")
    assert served.get("/quick") == (200, b"/quick")
    sock.sendall(b"ces HTTP/1.0\r\nHost: x\r\n\r\n")

    assert read_all(sock).endswith(b"\r\n\r\n/pieces")


def test_head_has_no_body(served: Served) -> None:
    assert served.get("/x", "HEAD") == (200, b"")


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_nothing_can_be_changed(served: Served, method: str) -> None:
    assert served.get("/x", method)[0] == 405


@pytest.mark.parametrize("data", [b"hello\r\n\r\n", b"\x16\x03\x01\x00\r\n\r\n", b"GET /\r\n\r\n"])
def test_what_is_not_http_is_refused(served: Served, data: bytes) -> None:
    assert read_all(served.raw(data)).startswith(b"HTTP/1.1 400 ")


def test_a_request_without_end_is_cut_off(served: Served) -> None:
    sock = served.raw(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * LARGEST_REQUEST)

    try:
        answer = read_all(sock)
    except ConnectionError:
        answer = b""

    assert answer == b""


def test_clients_that_say_nothing_keep_nobody_out_for_long(served: Served) -> None:
    idle = [served.raw() for _ in range(MOST_CLIENTS)]
    until(lambda: len(served.server._clients) == MOST_CLIENTS, "all of them are in")
    served.clock.advance(6)

    assert served.get("/x") == (200, b"/x")
    for sock in idle:
        sock.close()


def test_a_client_that_is_gone_harms_nobody(served: Served) -> None:
    for data in (b"", b"GET /long HTTP/1.1\r\n\r\n"):
        sock = served.raw(data)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        sock.close()

    assert served.get("/x") == (200, b"/x")


def test_an_answer_that_fails_ends_nothing(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    assert served.get("/broken")[0] == 500
    assert served.get("/x") == (200, b"/x")
    assert "'/broken'" in caplog.text


def test_it_says_where_it_listens(served: Served) -> None:
    assert served.server.url == f"http://127.0.0.1:{served.port}"


def test_an_address_that_is_taken_is_an_error(served: Served) -> None:
    with pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", served.port)
