"""L2 and L3: wrong values through every door. The line to the server is listened to.

Each ends in a documented error that names what is wrong, or in a job as it was asked for; and the
server hears the commands of the accepted jobs, and not one more.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pulpo
from pulpo.codec import Codec
from tests.acceptance.command_line import Said
from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.place import Place
from tests.lab.wire import Commands

INJECTION = "x\r\nput 0 0 60 5\r\npwned"
_PUT = re.compile(rb"put \d{1,10} \d{1,10} \d{1,10} \d{1,6}\r\n", re.ASCII)
_USE = re.compile(rb"use [A-Za-z0-9][A-Za-z0-9_.+/;$()-]{0,199}\r\n", re.ASCII)
# What commands that only look may ask; none of them has an argument that came through a door.
_QUESTION = re.compile(
    rb"(stats|list-tubes|list-tube-used|peek \d{1,19}|stats-job \d{1,19}|stats-tube default"
    rb"|use default|watch default)\r\n"
)
# What pulpo asks of a server before it trusts it.
_QUESTIONS = (b"stats\r\n", b"list-tube-used\r\n")
CALL_FIELDS = (
    *("queue", "priority", "delay", "at", "expires", "ttr", "retries", "timeout", "backoff"),
    "headers",
)
FIELDS = (*CALL_FIELDS, "type", "id")


class Listener:
    """Passes everything on to a server and keeps what it was told; a context manager."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._told: list[bytearray] = []
        self._threads: list[threading.Thread] = []
        self.url = f"beanstalkd://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def commands(self) -> list[bytes]:
        """Return every command that was told so far."""
        return [each for told in self._told for each in Commands().feed(bytes(told))]

    def odd(self) -> list[bytes]:
        """Return what was told that is no command as pulpo makes them."""
        wrong = [
            each
            for each in self.commands()
            if not (_PUT.match(each) or _USE.fullmatch(each) or each in _QUESTIONS)
        ]
        return self.rest() + wrong

    def rest(self) -> list[bytes]:
        """Return what was told and is no whole command."""
        return [bytes(told) for told in self._told if told and not told.endswith(b"\r\n")]

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # a close alone wakes nobody who accepts
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                outer, _ = self._server.accept()
            except OSError:
                return
            inner = socket.create_connection(("127.0.0.1", self._target))
            told = bytearray()
            self._told.append(told)
            for source, sink, kept in ((outer, inner, told), (inner, outer, None)):
                threading.Thread(target=_copy, args=(source, sink, kept), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket, kept: bytearray | None) -> None:
    try:
        while data := source.recv(65_536):
            if kept is not None:
                kept += data
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()


def any_values(trial: Trial) -> None:
    """Publish messages with a field or two of any value."""
    server = trial.server(binlog=False)
    listener = Listener(server.port)
    trial.stack.callback(listener.close)
    with pulpo.Pulpo(listener.url) as app:

        @app.job(type="t")
        def task() -> None: ...

        for _ in range(trial.figures["messages"]):
            by_call = trial.chosen.random() < 0.5
            fields = {
                trial.chosen.choice(CALL_FIELDS if by_call else FIELDS): _any(trial)
                for _ in range(trial.chosen.choice([1, 1, 2]))
            }
            try:
                if by_call:
                    task.using(**fields).delay()
                else:
                    app.publish(pulpo.Message(**{"type": "t", **fields}))
            except (pulpo.PulpoError, ValueError, TypeError) as error:
                trial.count("refused")
                trial.must(isinstance(error, pulpo.PulpoError), f"{error!r} for {fields!r:.200}")
                trial.must(_names(str(error), fields), f"nothing named: {error} {fields!r:.200}")
            else:
                trial.count("accepted")
    _judge(trial, listener)
    trial.must(trial.counted["refused"] > trial.figures["messages"] // 4, "many were refused")


def _names(text: str, fields: Iterable[str]) -> bool:
    """Tell whether an error says, as a word, one of the fields that were given."""
    words = set(re.findall(r"[a-z]+", text.partition(": ")[0]))
    return any(name in words or name.removesuffix("s") in words for name in fields)


def _any(trial: Trial) -> Any:
    chosen = trial.chosen
    text = "".join(chosen.choices("a1 .\r\n\0\t\x1b\x7f\x9bé\u202e\ud800\U0001f600-", k=9))
    return chosen.choice(
        [
            *(None, True, -1, 0, 1, 2**31, 2**32 - 1, 2**32, 2**64, 10**30, -0.0, 1.5, 1e300),
            *(float("nan"), float("inf"), "", "default", "5m", "5 cats", "x" * 201, "x" * 70_000),
            *(
                INJECTION,
                text,
                text[:3],
                text.encode("utf-8", "surrogatepass"),
                b"",
                [],
                [1],
                ["5m", -1],
                {},
                {"a": text},
            ),
            *({1: 2}, {"id": 1}, {text: 1}, {"depth": 5}, object(), timedelta(1), timedelta(-1)),
            *(timedelta.max, datetime.max, datetime.max.replace(tzinfo=UTC), datetime(1, 1, 1)),
            *(datetime.now(UTC), datetime(1, 1, 1, tzinfo=UTC), int, "\uff11", "\u0663"),
        ]
    )


def _judge(trial: Trial, listener: Listener) -> None:
    puts = sum(each.startswith(b"put ") for each in listener.commands())
    trial.count("puts", puts)
    trial.must(not listener.odd(), f"the server was told {listener.odd()[:3]}")
    trial.must(puts == trial.counted["accepted"], f"{puts} puts, {trial.counted['accepted']} jobs")


def every_door(trial: Trial) -> None:
    """Try to slip a command through each door in turn."""
    server = trial.server(binlog=False)
    listener = Listener(server.port)
    trial.stack.callback(listener.close)
    with pulpo.Pulpo(listener.url) as app:

        @app.job(type="t")
        def task() -> None: ...

        for door, attempt in _doors(app, task).items():
            try:
                attempt()
            except (pulpo.PulpoError, TypeError, ValueError) as error:
                trial.count("refused")
                trial.must(isinstance(error, pulpo.PulpoError), f"{door}: {error!r}")
            else:
                trial.must(False, f"{door}: it was taken")
        place = trial.place_at(listener.url, server)
        for arguments in _COMMANDS:
            said = place.pulpo(*arguments)
            trial.must(said.code in (2, 3), f"{arguments}: {said.code}, {said.err}")
            trial.must("Traceback" not in said.err, f"{arguments}: {said.err}")
            trial.count("refused")
        for url in (f"{listener.url}?pool={INJECTION}", "beanstalkd://a b\r\n:1", "x\r\n://"):
            said = place.pulpo("stats", PULPO_URL=url)
            trial.must(said.code in (2, 4), f"{url!r}: {said.code}")
        for said in _settings(place):
            trial.must(said.code == 2, f"a settings file: {said.code}, {said.err}")
            trial.must("Traceback" not in said.err, f"a settings file: {said.err}")
            trial.count("refused")
        app.publish(pulpo.Message(type="t", headers={"note": INJECTION}, body=INJECTION))
        trial.count("accepted")
    _judge_commands(trial, listener)
    trial.must(trial.counted["refused"] >= trial.figures["attempts"], "as many attempts as said")


def _settings(place: Place) -> Iterator[Said]:
    """Run a command by settings files that hold what none may hold."""
    file = place.folder / "pulpo.toml"
    line = INJECTION.replace("\r", "\\r").replace("\n", "\\n")
    for text in (
        f'url = "beanstalkd://{line}"',
        f'[handlers]\n"{line}" = "os.path:basename"',
        f'[handlers]\n"t" = {{ handler = "os.path:basename", queue = "{line}" }}',
    ):
        file.write_text(text + "\n", encoding="utf-8")
        yield place.pulpo(
            "worker", "--burst", PULPO_URL="" if text.startswith("url") else place.url
        )
    file.unlink()


def _judge_commands(trial: Trial, listener: Listener) -> None:
    """The server has heard questions, and one job: that as it was meant, byte for byte."""
    puts = [each for each in listener.commands() if each.startswith(b"put ")]
    trial.count("puts", len(puts))
    trial.must(len(puts) == 1, f"the server was told {puts}")
    others = [each for each in listener.commands() if each not in puts]
    strange = [each for each in others if not _QUESTION.fullmatch(each)]
    trial.must(not strange, f"the server was told {strange[:3]}")
    trial.must(not listener.rest(), f"half a command: {listener.rest()[:3]}")
    for each in puts:
        line, _, data = each.partition(b"\r\n")
        found = Codec().decode(data.removesuffix(b"\r\n"))
        size = len(data) - 2
        trial.must(line == b"put 65536 0 60 %d" % size, f"the server was told {line!r}")
        trial.must((found.type, found.body) == ("t", INJECTION), f"the job is {found}")
        trial.must(found.user_headers() == {"note": INJECTION}, f"the job is {found}")


def _doors(app: pulpo.Pulpo, task: Any) -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {}
    bad: list[tuple[str, Any]] = [("queue", each) for each in (INJECTION, "a b", "", "-x", "é", 7)]
    bad += [
        ("priority", each)
        for each in (-1, 2**32, 3_000_000_000.0, "1\r\nquit", True, None.__class__)
    ]
    bad += [("delay", each) for each in (-1, 2**32, float("nan"), "5\r\ndelete 1", "1e9d")]
    bad += [("ttr", each) for each in (0, -1, 10**9, "60\r\ndelete 1")]
    bad += [("expires", each) for each in (-1, float("inf"), INJECTION)]
    for name, value in bad:
        options = {name: value}
        found[f".using({options})"] = lambda options=options: task.using(**options).delay()  # type: ignore[misc]
        found[f"Message({options})"] = lambda options=options: app.publish(  # type: ignore[misc]
            pulpo.Message(type="t", **options)
        )
        if name in ("queue", "priority", "ttr"):
            found[f"@job({options})"] = lambda options=options: app.job(type="u", **options)(task)  # type: ignore[misc]
    for value in (INJECTION, "", "a b", 7):
        found[f"register {value!r}"] = lambda value=value: app.register(value, print)  # type: ignore[misc]
        found[f"register queue {value!r}"] = lambda value=value: app.register(  # type: ignore[misc]
            "other", print, queue=value
        )
        found[f"type {value!r}"] = lambda value=value: app.publish(pulpo.Message(type=value))  # type: ignore[misc]
        found[f"id {value!r}"] = lambda value=value: app.publish(pulpo.Message(type="t", id=value))  # type: ignore[misc]
    return found


_COMMANDS = (
    *(
        ("publish", "t", "-q", INJECTION),
        ("publish", INJECTION),
        ("publish", "t", "--priority", "1\r\ndelete 1"),
    ),
    *(("publish", "t", "--delay", "5\r\nquit"), ("stats", INJECTION), ("pause", INJECTION)),
    *(("resume", INJECTION), ("jobs", "list", "-q", INJECTION), ("jobs", "kick", INJECTION)),
    *(
        ("jobs", "delete", INJECTION),
        ("jobs", "show", INJECTION),
        ("worker", "os", "-q", INJECTION),
    ),
    ("jobs", "kick", "--all", "-q", INJECTION),
)
ROWS = [
    Row(
        name="L2",
        says="any value in any field of a message",
        passes="a typed error that names the field and nothing put, or the job as asked for",
        act=any_values,
        engines=("beanstalkd",),
        short={"messages": 5_000},
        full={"messages": 200_000},
        needs=("beanstalkd",),
    ),
    Row(
        name="L3",
        says="commands and impossible numbers through every door",
        passes="an error at each, and the server hears exactly the commands of the good job",
        act=every_door,
        engines=("beanstalkd",),
        short={"attempts": 60},
        needs=("beanstalkd",),
    ),
]
