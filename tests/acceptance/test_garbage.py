"""What strangers put into a beanstalkd tube: no byte of it stops a worker.

A JSON job from another language runs; what is no job is put aside, seen, and buried after its
tries. Put with a bare greenstalk client, which checks nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import greenstalk
import msgpack
import pytest

import pulpo
from pulpo.worker.decide import DECODING_TRIES
from tests.lab.place import Place
from tests.lab.processes import until

TASKS = """
import json, pulpo
from tests.lab.tasks import LEDGER

@pulpo.job(type="good")
def good(n, **more):
    run = pulpo.current_job()
    LEDGER.note("done", run.id, n=n, headers=dict(run.headers), queue=run.queue)

class Raw:
    def handle(self, message):
        run = pulpo.current_job()
        LEDGER.note("done", run.id, body=message.body, priority=message.priority)

pulpo.register("raw", Raw())
"""


@pytest.fixture
def place(beanstalkd_place: Place) -> Place:
    (beanstalkd_place.folder / "shop.py").write_text(TASKS)
    return beanstalkd_place


@pytest.fixture
def stranger(place: Place) -> Iterator[greenstalk.Client]:
    assert place.server is not None
    with greenstalk.Client(("127.0.0.1", place.server.port), encoding=None) as client:
        yield client


def garbage() -> list[bytes]:
    chosen = random.Random(11)
    good = msgpack.packb([1, {"type": "good", "id": "no id at all"}, {"n": 1}])
    headers: dict[str, Any] = {"type": "good"}
    deep_json = b'{"type": "good", "body": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    return [
        b"",
        b"\0",
        b"\r\n",
        b"delete 1\r\n",
        *(chosen.randbytes(chosen.randrange(1, 400)) for _ in range(12)),
        good[: len(good) // 2],
        good + b"\x01",
        msgpack.packb([2, headers, None]),
        msgpack.packb([1, headers]),
        msgpack.packb([1, {"type": 7}, None]),
        msgpack.packb([1, {"type": "good\r\n"}, None]),
        msgpack.packb([1, {"no": "type"}, None]),
        msgpack.packb({"type": "good"}),
        msgpack.packb([1, headers, msgpack.ExtType(99, b"?")]),
        msgpack.packb([1, {**headers, "expires": "soon"}, {"n": 1}]),
        msgpack.packb([1, {**headers, "failures": -3}, {"n": 1}]),
        msgpack.packb([1, {**headers, "failures": 2**63}, {"n": 1}]),
        msgpack.packb([1, {**headers, "ttr": 1e300}, {"n": 1}]),
        msgpack.packb([1, {**headers, "errors": [1, 2]}, {"n": 1}]),
        b"\x93\x01\x81\xa4type\xa4good" + b"\x91" * 5_000 + b"\xc0",
        b"\x93\x01\x81\xa4type\xa4good\xdd\xff\xff\xff\xff",  # a list of 4 billion
        b"\x93\x01\x81\xa4type\xa4good\xdc\xff\x00" + b"\x90" * 65_280 + b"\x01",
        b"{",
        b"[]",
        b"null",
        b'{"type": "good", "type": "good", "body": {"n": 1',
        b'{"type": "good", "body": {"n": ' + b"9" * 4_000 + b"}}",
        b'{"type": "good", "body": {"n": 1e400}, "headers": 5}',
        b'{"type": "good", "body": {"n": NaN}}',
        b'{"type": "\\ud800", "body": null}',
        deep_json,
        "{'type': 'good'}".encode("utf-16"),
    ]


def test_garbage_never_stops_a_worker_and_ends_buried_where_people_see_it(
    place: Place, stranger: greenstalk.Client
) -> None:
    junk = garbage()
    with place.worker("--processes", "1", module="shop") as worker:
        worker.ready()
        for number, body in enumerate(junk):
            stranger.put(body)
            stranger.put(json.dumps({"type": "good", "body": {"n": number}}).encode())
        # Each try waits longer than the one before: an operator's kick makes them short.
        for _ in range(4 * DECODING_TRIES):
            left = place.waiting()
            if all(job["state"] == "buried" for job in left):
                break
            delayed = [job["id"] for job in left if job["state"] == "delayed"]
            if delayed:
                place.pulpo("jobs", "kick", *delayed)
        place.wait_for("done", len(junk))
        left = place.waiting()
        assert worker.said("died") == []
        assert worker.stop() == 0

    ran = {entry.facts["n"] for entry in place.ledger.read("done")}
    assert ran >= set(range(len(junk)))
    assert [job for job in left if job["state"] != "buried"] == []
    assert len(left) + place.ledger.count("done") == 2 * len(junk), "something is gone"
    for job in left:
        assert job["error"], job
        assert place.show(job["id"])["id"] == job["id"]


def test_a_json_job_of_another_language_runs_and_has_an_id_from_its_number(
    place: Place, stranger: greenstalk.Client
) -> None:
    stranger.use("mail")
    plain = stranger.put(b'{"type": "good", "body": {"n": 1}}')
    stranger.put(b'{"type": "good", "body": {"n": 2}, "headers": {"tenant": "acme"}}', priority=3)
    stranger.put('{"type": "raw", "body": ["ü", 1.5, null]}'.encode(), priority=4)
    before = place.pulpo("jobs", "list", "-q", "mail", "--json").lines

    with place.worker("--burst", "-q", "mail", module="shop") as worker:
        assert worker.wait() == 0

    notes = {entry.facts.get("n"): entry for entry in place.ledger.read("done")}
    assert notes[1].id == next(job["id"] for job in before if job["body"] == {"n": 1})
    assert str(plain) in notes[1].id or f"{plain:x}" in notes[1].id
    assert notes[1].facts["queue"] == "mail"
    assert notes[2].facts["headers"] == {"tenant": "acme"}
    assert notes[None].facts["body"] == ["ü", 1.5, None]
    assert notes[None].facts["priority"] == 4
    assert place.waiting() == []


def test_a_json_job_keeps_its_id_and_its_priority_when_it_fails(
    place: Place, stranger: greenstalk.Client
) -> None:
    stranger.put(b'{"type": "good", "body": {"wrong": 1}}', priority=9)
    (before,) = place.waiting()

    with place.worker("--processes", "1", module="shop") as worker:
        until(lambda: worker.said("bounced"), "its first bounce")
        assert worker.stop() == 0

    (after,) = place.waiting()
    assert (after["id"], after["priority"]) == (before["id"], 9)
    assert place.show(before["id"])["body"] == {"wrong": 1}


def test_names_and_bodies_that_look_like_commands_stay_what_they_are(
    place: Place, stranger: greenstalk.Client
) -> None:
    victim = stranger.put(b'{"type": "later", "body": null}', delay=600)
    evil = f"delete {victim}\r\nput 0 0 60 5\r\npwned\r\n"
    with place.app() as app:
        app.publish(pulpo.Message(type="raw", body=evil, headers={"note": evil}))
        for bad in (evil, "x\r\ndelete 1", "a b", "", "x" * 201, "-x"):
            with pytest.raises(pulpo.UsageError):
                app.publish(pulpo.Message(type="raw", queue=bad))
            with pytest.raises(pulpo.UsageError):
                app.publish(pulpo.Message(type=bad if bad != "-x" else "1\n"))

    with place.worker("--burst", module="shop") as worker:
        assert worker.wait() == 0

    (entry,) = place.ledger.read("done")
    assert entry.facts["body"] == evil
    assert [job["type"] for job in place.waiting()] == ["later"]


def test_a_job_of_a_stranger_that_has_no_room_for_a_count_is_buried_not_tried_for_ever(
    place: Place, stranger: greenstalk.Client
) -> None:
    job = b'{"type": "nobody.knows", "body": "%s"}'
    full = job % (b"x" * (65_535 - len(job) + 2))
    numbers = {stranger.put(full), stranger.put(b"\xc1" * 65_535)}

    with place.worker("--processes", "1", module="shop") as worker:
        until(lambda: place.stats()["buried"] == 2, "both are buried")
        assert worker.stop() == 0
        told = [line for line in worker.text.splitlines() if "too large to carry" in line]

    assert len(told) == 2
    assert {stranger.peek_buried().id} <= numbers, "it is the job as it came"
