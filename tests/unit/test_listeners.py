"""Listeners: what they are told, in which thread, and what becomes of those that fail or dawdle."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from typing import Any

import pytest

import pulpo
from pulpo import listeners as module
from pulpo.errors import UsageError, WrongTypeError
from pulpo.events import EVENTS, Event
from pulpo.listeners import Listeners


def event(id: str = "x", name: str = "buried") -> Event:
    return Event(name=name, id=id, type="t", queue="default")


def test_a_listener_hears_the_events_of_its_name_in_order() -> None:
    heard: list[str] = []
    listeners = Listeners()
    listeners.add("buried", lambda told: heard.append(told.id))

    for number in range(100):
        listeners.tell(event(str(number)))
        listeners.tell(event("not this", "lost"))

    assert listeners.flush(5)
    assert heard == [str(number) for number in range(100)]


def test_listeners_are_called_in_a_thread_of_their_own() -> None:
    names: list[str] = []
    listeners = Listeners()
    listeners.add("buried", lambda told: names.append(threading.current_thread().name))

    listeners.tell(event())

    assert listeners.flush(5)
    assert names == ["pulpo-listeners"]


@pytest.mark.parametrize("name", ["burried", "", None, "bounced"])
def test_an_unknown_name_is_refused_with_those_that_there_are(name: Any) -> None:
    app = pulpo.Pulpo("memory://")

    for attempt in (lambda: app.on(name), lambda: app.on(name, print)):
        with pytest.raises(UsageError, match=", ".join(EVENTS)):
            attempt()


async def hears_async(told: Event) -> None: ...


@pytest.mark.parametrize("function", [7, hears_async])
def test_what_cannot_listen_is_refused(function: Any) -> None:
    with pytest.raises(WrongTypeError, match="a listener is a"):
        Listeners().add("buried", function)


def test_a_listener_that_fails_is_logged_and_the_next_one_is_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[str] = []
    listeners = Listeners()

    def broken(told: Event) -> None:
        raise SystemExit("even so")

    listeners.add("buried", broken)
    listeners.add("buried", lambda told: heard.append(told.id))

    with caplog.at_level(logging.ERROR, "pulpo.listeners"):
        listeners.tell(event("1"))
        listeners.tell(event("2"))
        assert listeners.flush(5)

    assert heard == ["1", "2"]
    assert len(caplog.records) == 2
    assert "'buried' of job 1" in caplog.records[0].getMessage()


def test_a_slow_listener_loses_events_which_is_counted_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    going_on, started = threading.Event(), threading.Event()
    heard: list[str] = []
    listeners = Listeners()

    def slow(told: Event) -> None:
        started.set()
        assert going_on.wait(10)
        heard.append(told.id)

    listeners.add("buried", slow)
    with caplog.at_level(logging.WARNING, "pulpo.listeners"):
        listeners.tell(event("0"))
        assert started.wait(5)
        for number in range(1, 9):
            listeners.tell(event(str(number)))
        assert not listeners.flush(0.01)
        going_on.set()
        assert listeners.flush(5)

    assert heard == ["0", "1", "2", "3", "4", "5"]
    assert listeners.dropped == 3
    listeners.dropped = 0  # or it is said once more at exit
    assert len([r for r in caplog.records if "too slow" in r.getMessage()]) == 1


def test_what_a_listener_publishes_is_told_to_nobody() -> None:
    app = pulpo.Pulpo("memory://")
    heard: list[str] = []

    @app.on("published")
    def again(told: Event) -> None:
        heard.append(told.type)
        app.publish(pulpo.Message(type="echo"))

    app.publish(pulpo.Message(type="t"))

    assert app.parts().listeners.flush(5)
    assert heard == ["t"]


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("in_loop", [False, True])
def test_published_is_told_of_what_was_accepted(many: bool, in_loop: bool) -> None:
    app = pulpo.Pulpo("memory://")
    heard: list[Event] = []
    app.on("published", heard.append)
    message = pulpo.Message(type="t", queue="mail", headers={"tenant": "acme"})
    if in_loop:
        asyncio.run(app.apublish_many([message]) if many else app.apublish(message))  # type: ignore[arg-type]
    else:
        app.publish_many([message]) if many else app.publish(message)

    assert app.parts().listeners.flush(5)
    assert heard == [
        Event(name="published", id=message.id, type="t", queue="mail", headers={"tenant": "acme"})
    ]


def test_what_was_refused_is_not_told() -> None:
    app = pulpo.Pulpo("memory://")
    heard: list[Event] = []
    app.on("published", heard.append)

    with pytest.raises(pulpo.JobTooBigError):
        app.publish(pulpo.Message(type="t", body=b"x" * app.engine.adapter().capabilities.max_body))

    assert app.parts().listeners.flush(5)
    assert heard == []


def test_without_room_for_a_thread_events_are_dropped_and_nothing_else_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[str] = []
    listeners = Listeners()
    listeners.add("buried", lambda told: heard.append(told.id))

    def no_room(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_room)
        listeners.tell(event("1"))
    assert listeners.dropped == 1
    listeners.tell(event("2"))

    assert listeners.flush(5)
    assert heard == ["2"]
    listeners.dropped = 0  # or it is said once more at exit


def test_a_forked_child_has_a_line_of_its_own() -> None:
    heard: list[str] = []
    listeners = Listeners()
    listeners.add("buried", lambda told: heard.append(told.id))
    listeners.tell(event("parent"))
    assert listeners.flush(5)

    pid = os.fork()
    if not pid:
        listeners.tell(event("child"))
        told = listeners.flush(5) and heard == ["parent", "child"]
        os._exit(0 if told else 1)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert heard == ["parent"]
