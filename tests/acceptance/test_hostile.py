"""Somebody who can write to the queue, and whom nobody trusts: what is not run, and not shown raw.

Put with a bare greenstalk client, which checks nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import greenstalk
import msgpack
import pytest

from tests.lab.place import Place
from tests.lab.processes import until

TASKS = """
import pulpo
from tests.lab.tasks import LEDGER

@pulpo.job(type="note", queue="mail", retries=0)
def note(n):
    LEDGER.note("done", pulpo.current_job().id, n=n)
    if n == "evil":
        raise ValueError(pulpo.current_job().headers["says"])
"""
#: Clears a screen, sets a title, goes back in the line, turns the direction, ends a line.
EVIL = "\x1b[2J\x1b]0;pwned\x07\r\u202e\x9b31m\nERROR forged id=1\x7f\u2028"
DRIVES = set("\x1b\x07\r\u202e\x9b\x7f\u2028\0")


@pytest.fixture
def place(beanstalkd_place: Place) -> Place:
    (beanstalkd_place.folder / "shop.py").write_text(TASKS)
    return beanstalkd_place


@pytest.fixture
def stranger(place: Place) -> Iterator[greenstalk.Client]:
    assert place.server is not None
    with greenstalk.Client(("127.0.0.1", place.server.port), encoding=None) as client:
        yield client


def test_a_signed_job_that_a_stranger_copies_to_another_queue_is_not_run_there(
    place: Place, stranger: greenstalk.Client
) -> None:
    keys = {"PULPO_SIGNING_KEYS": "ours"}
    assert place.pulpo("publish", "note", '{"n": 1}', "-q", "mail", **keys).code == 0
    stranger.use("mail")
    signed = stranger.peek_ready().body
    stranger.use("orders")
    stranger.put(signed)

    with place.worker("--burst", "-q", "orders", module="shop", **keys) as worker:
        assert worker.wait() == 0

    assert place.ledger.count("done") == 0
    assert b"pulpo.undecodable" in stranger.peek_buried().body
    with place.worker("--burst", module="shop", **keys) as worker:
        assert worker.wait() == 0
    assert place.ledger.count("done") == 1, "where it was published, it runs"


def test_nothing_in_a_job_reaches_a_terminal_or_forges_a_line(
    place: Place, stranger: greenstalk.Client
) -> None:
    stranger.use("mail")
    hostile = {"queue": "mail", "says": EVIL, EVIL: EVIL}
    stranger.put(msgpack.packb([1, {"type": "note", **hostile}, {"n": "evil"}]))
    stranger.put(msgpack.packb([1, {"type": EVIL, **hostile}, EVIL]))
    stranger.put(msgpack.packb([1, {"type": "note", **hostile, "errors": [EVIL, EVIL]}, EVIL]))
    stranger.put(msgpack.packb([1, {"type": "note", "id": EVIL}, EVIL]))
    stranger.put(json.dumps({"type": "no.such", "body": EVIL, "headers": hostile}).encode())
    stranger.put(EVIL.encode())

    with place.worker("--processes", "1", module="shop") as worker:
        until(lambda: place.ledger.count("done") == 1, "the good one has run")
        until(lambda: len(worker.said("again")) + len(worker.said("bounced")) >= 2, "the others")
        assert worker.stop() == 0

    place.pulpo("jobs", "kick", "--all", "-q", "mail")
    with place.worker("--burst", "--log-format", "text", module="shop") as talker:
        assert talker.wait() == 0

    shown = [worker.text, talker.text]
    for view in (["jobs", "list", "-q", "mail"], ["stats"], ["doctor"], ["jobs", "show", EVIL]):
        said = place.pulpo(*view)
        shown += [said.out, said.err]
    for job in place.waiting():
        said = place.pulpo("jobs", "show", job["id"])
        assert said.code == 0
        shown += [said.out, said.err, place.pulpo("jobs", "show", job["id"], "--json").out]
    for text in shown:
        assert not DRIVES & set(text), text
        assert not [line for line in text.splitlines() if line.startswith("ERROR forged")], text
    assert any("\\x1b" in text or "\\u001b" in text for text in shown), "they are made visible"
