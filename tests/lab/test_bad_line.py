"""The bad line's own eyes: what it takes for a broken reply, and for a wrong settlement."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.chaos.rows.network import wrong_deletes
from tests.lab.bad_line import KINDS, BadLine, Dealing
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.place import Place
from tests.lab.processes import until
from tests.lab.wire import Commands, Replies, is_legal


@dataclass
class Told:
    """A line that was told what happened on it."""

    dealings: list[Dealing] = field(default_factory=list)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, f"sqlite:///{tmp_path}/queue.db")


def deleted(place: Place, *dealings: Dealing) -> list[str]:
    wrong, _ = wrong_deletes(place, Told(list(dealings)))  # type: ignore[arg-type]
    place.ledger.close()
    return wrong


def test_a_delete_of_what_was_done_is_right_and_any_other_is_wrong(place: Place) -> None:
    place.ledger.note("done", "a")
    done = place.ledger.read("done")[0].at

    given = [Dealing(0, "reserved", 1, "a"), Dealing(0, "reserved", 2, "b")]
    assert deleted(place, *given, Dealing(done + 1, "delete", 1)) == []
    assert deleted(place, *given, Dealing(done - 1, "delete", 1)) == ["1 (a)"]
    assert deleted(place, *given, Dealing(done + 1, "delete", 2)) == ["2 (b)"]
    assert deleted(place, Dealing(done, "delete", 3)) == ["3 (that nobody was given)"]


def test_a_delete_of_one_of_two_copies_is_right(place: Place) -> None:
    copies = [Dealing(0, "reserved", 1, "a"), Dealing(1, "put", 2, "a")]

    assert deleted(place, *copies, Dealing(2, "delete", 1)) == []


def test_a_stream_is_taken_apart_wherever_it_is_cut() -> None:
    said = b"put 1 0 60 6\r\na\r\nb\r\n\r\ndelete 5\r\n"
    answered = b"INSERTED 5\r\nRESERVED 5 4\r\na\r\nb\r\nOK 2\r\n\r\n\r\nDELETED\r\n"
    for at in range(len(answered)):
        commands, replies = Commands(), Replies()
        cut = min(at, len(said))
        assert commands.feed(said[:cut]) + commands.feed(said[cut:]) == [
            b"put 1 0 60 6\r\na\r\nb\r\n\r\n",
            b"delete 5\r\n",
        ]
        assert replies.feed(answered[:at]) + replies.feed(answered[at:]) == [
            b"INSERTED 5\r\n",
            b"RESERVED 5 4\r\na\r\nb\r\n",
            b"OK 2\r\n\r\n\r\n",
            b"DELETED\r\n",
        ]


@pytest.mark.parametrize(
    ("command", "reply", "legal"),
    [
        (b"delete 5\r\n", b"DELETED\r\n", True),
        (b"delete 5\r\n", b"DELETED 5\r\n", False),
        (b"delete 5\r\n", b"TOUCHED\r\n", False),
        (b"put 1 0 60 1\r\nx\r\n", b"INSERTED 7\r\n", True),
        (b"put 1 0 60 1\r\nx\r\n", b"INSERTED\r\n", False),
        (b"reserve-with-timeout 0\r\n", b"RESERVED 7 1\r\nx\r\n", True),
        (b"reserve-with-timeout 0\r\n", b"RESERVED 7\r\n", False),
    ],
)
def test_a_reply_is_legal_where_a_server_may_say_it(
    command: bytes, reply: bytes, legal: bool
) -> None:
    assert is_legal(command, reply) is legal


@pytest.mark.usefixtures("beanstalkd_program")
def test_a_client_that_goes_on_after_a_broken_reply_is_seen() -> None:
    with Beanstalkd() as server, BadLine(server.port, random.Random(1)) as line:
        for _ in range(60):
            with socket.create_connection(("127.0.0.1", line.port), timeout=0.5) as client:
                _talk_on(client)
            if line.broken:
                break

        assert line.broken
        assert line.used_again(0.0)
        until(lambda: not line.unclosed(5), "its end was seen as well")
        assert line.faults.keys() <= KINDS.keys()


def _talk_on(client: socket.socket) -> None:
    """Go on, whatever is said."""
    try:
        for _ in range(40):
            client.sendall(b"touch 1\r\n")
            client.recv(4096)
    except OSError:
        return
