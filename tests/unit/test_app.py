"""Pulpo as an object: publishing from any thread, process and event loop."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

import pulpo
from pulpo.clock import ManualClock
from pulpo.connections import Connections
from pulpo.errors import QueueFullError, UsageError, WrongTypeError
from pulpo.job import Capabilities, JobState, NewJob

NOW = 1_800_000_000.0


@pytest.fixture(params=["memory", "sqlite"])
def app(request, tmp_path):
    url = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/queue.db"}[request.param]
    with pulpo.Pulpo(url, clock=ManualClock(NOW)) as app:
        yield app


def listed(app):
    admin = app.engine.admin()
    try:
        return admin.list(limit=10_000)
    finally:
        admin.close()


def envelopes(app):
    return [app.codec.decode(job.body) for job in listed(app)]


def test_a_published_message_waits_in_the_queue(app):
    ref = app.publish(
        pulpo.Message(
            type="image.resize",
            body={"path": "a.png"},
            headers={"tenant": "acme"},
            priority=10,
            delay="30s",
            expires="1h",
        )
    )
    (job,), (envelope,) = listed(app), envelopes(app)

    assert ref == pulpo.JobRef(job.id, "default")
    assert (job.queue, job.priority, job.state, job.due) == (
        "default",
        10,
        JobState.DELAYED,
        pytest.approx(30.0),
    )
    assert (envelope.type, envelope.body, envelope.expires) == (
        "image.resize",
        {"path": "a.png"},
        NOW + 3_600,
    )
    assert envelope.user_headers() == {"tenant": "acme"}


def test_an_unknown_type_has_the_usual_queue_priority_and_ttr(app):
    app.publish(pulpo.Message(type="nobody.knows"))
    (job,), (envelope,) = listed(app), envelopes(app)

    assert (job.queue, job.priority, job.ttr) == ("default", 65_536, 60.0)
    assert set(envelope.headers) == {"type", "id"}


def test_a_known_type_says_what_the_message_leaves_open(app):
    app.register(
        "image.resize", print, queue="images", priority=5, ttr="30s", expires="1h", aliases=["old"]
    )
    app.publish(pulpo.Message(type="image.resize"))
    app.publish(pulpo.Message(type="old"))
    app.publish(pulpo.Message(type="image.resize", queue="q", priority=6, ttr=40, expires="2h"))
    jobs = {(job.queue, job.priority, job.ttr) for job in listed(app)}

    assert jobs == {("images", 5, 30.0), ("q", 6, 40.0)}
    assert sorted(e.expires - NOW for e in envelopes(app)) == [3_600, 3_600, 7_200]


def test_an_absolute_expiry_is_kept(app):
    app.publish(pulpo.Message(type="t", expires=datetime(2030, 1, 1, tzinfo=UTC)))

    assert envelopes(app)[0].expires == datetime(2030, 1, 1, tzinfo=UTC).timestamp()


def test_publish_many_returns_references_in_order(app):
    messages = [pulpo.Message(type="t", body=number, queue=f"q{number}") for number in range(5)]
    refs = app.publish_many(message for message in messages)

    assert refs == [pulpo.JobRef(message.id, message.queue) for message in messages]
    assert len(listed(app)) == 5


def test_an_empty_batch_is_an_empty_list(app):
    assert app.publish_many([]) == []
    assert asyncio.run(app.apublish_many([])) == []


@pytest.mark.parametrize(
    "bad",
    [
        pulpo.Message(type="t", body=object()),
        pulpo.Message(type="t", body="x" * 70_000),
        pulpo.Message(type="t", headers={"a": object()}),
        pulpo.Message(type="t", expires=10**13),
        "t",
        None,
    ],
    ids=["body", "size", "header", "expiry", "text", "none"],
)
def test_one_wrong_message_keeps_its_whole_batch_out(app, bad):
    for call in (
        lambda: app.publish_many([pulpo.Message(type="t"), bad]),
        lambda: asyncio.run(app.apublish_many([pulpo.Message(type="t"), bad])),
        lambda: app.publish(bad),
        lambda: asyncio.run(app.apublish(bad)),
    ):
        with pytest.raises(pulpo.PulpoError):
            call()
    assert listed(app) == []


@pytest.mark.parametrize("batch", [pulpo.Message(type="t"), "ab", {"type": "t"}, 7, None])
def test_a_batch_is_a_list_of_messages(app, batch):
    with pytest.raises(WrongTypeError, match="a batch is a list of messages"):
        app.publish_many(batch)


def test_a_job_function_is_no_message(app):
    @app.job
    def f(): ...

    with pytest.raises(WrongTypeError, match=r"a job function makes one with \.message"):
        app.publish(f)


def test_event_loops_publish_too(app):
    async def main():
        refs = await asyncio.gather(
            *(app.apublish(pulpo.Message(type="t", body=n)) for n in range(20))
        )
        return [*refs, *await app.apublish_many([pulpo.Message(type="t", body=20)])]

    refs = asyncio.run(main())

    assert {ref.id for ref in refs} == {job.id for job in listed(app)}
    assert len(refs) == 21


def test_an_event_loop_is_free_while_the_queue_is_slow():
    gate = threading.Event()

    async def main():
        waiting = asyncio.create_task(app.apublish(pulpo.Message(type="t")))
        await asyncio.sleep(0)
        gate.set()  # reached only if the loop goes on while the queue waits for the gate
        return await waiting

    app = pulpo_on(Recorder(answer=lambda job: gate.wait(10) and job.id))

    assert asyncio.run(main()).queue == "default"
    app.close()


class Recorder:
    """An engine that records who opened, used and closed its adapters."""

    def __init__(self, answer=lambda job: job.id):
        self.answer = answer
        self.opened = []
        self.closed = []

    def adapter(self):
        adapter = RecordingAdapter(self)
        self.opened.append(id(adapter))
        return adapter


class RecordingAdapter:
    capabilities = Capabilities(engine="recorder", max_body=1000)

    def __init__(self, engine):
        self.engine, self.thread = engine, threading.get_ident()

    def put(self, jobs):
        assert threading.get_ident() == self.thread
        return [self.engine.answer(job) for job in jobs]

    def close(self):
        self.engine.closed.append(id(self))


def pulpo_on(engine):
    app = pulpo.Pulpo(decide_later=True)
    app.choice._queue["queue"] = Connections(engine, "recorder://")
    return app


def test_each_thread_has_its_own_connection_and_closes_it_at_its_end():
    engine = Recorder()
    app = pulpo_on(engine)
    app.publish(pulpo.Message(type="t"))
    app.publish(pulpo.Message(type="t"))
    assert (len(engine.opened), engine.closed) == (1, [])

    thread = threading.Thread(target=app.publish, args=[pulpo.Message(type="t")])
    thread.start()
    thread.join()
    gc.collect()

    assert engine.closed == engine.opened[1:]
    app.close()
    assert set(engine.closed) == set(engine.opened)


def test_all_event_loops_share_one_connection():
    engine = Recorder()
    app = pulpo_on(engine)

    async def main():
        await asyncio.gather(*(app.apublish(pulpo.Message(type="t")) for _ in range(5)))

    asyncio.run(main())
    asyncio.run(main())

    assert len(engine.opened) == 1
    app.close()
    assert engine.closed == engine.opened


def test_closing_closes_the_connections_of_all_threads_and_the_next_use_opens_one():
    engine = Recorder()
    app = pulpo_on(engine)
    go_on, done = threading.Event(), threading.Event()

    def work():
        app.publish(pulpo.Message(type="t"))
        done.set()
        go_on.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    done.wait(10)
    app.publish(pulpo.Message(type="t"))
    app.close()
    assert set(engine.closed) == set(engine.opened)
    assert len(engine.opened) == 2

    app.publish(pulpo.Message(type="t"))
    app.close()
    app.close()
    go_on.set()
    thread.join()
    assert len(engine.opened) == len(engine.closed) == 3


def in_child(work):
    """Run `work` in a forked child; return what it returned, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        found = answer.read()
    os.waitpid(child, 0)
    return found


def test_a_forked_child_opens_its_own_and_leaves_its_parents_open():
    engine = Recorder()
    app = pulpo_on(engine)
    app.publish(pulpo.Message(type="t"))

    def child():
        app.publish(pulpo.Message(type="t"))
        gc.collect()
        opened, closed = len(engine.opened), list(engine.closed)
        app.close()
        return opened, closed, engine.closed == engine.opened[1:]

    assert in_child(child) == "(2, [], True)"
    assert engine.closed == []
    app.publish(pulpo.Message(type="t"))
    assert len(engine.opened) == 1
    app.close()


def test_a_forked_child_may_publish_from_an_event_loop():
    app = pulpo_on(Recorder())

    async def main():
        return (await app.apublish(pulpo.Message(type="t"))).queue

    assert asyncio.run(main()) == "default"
    assert in_child(lambda: asyncio.run(main())) == "default"
    app.close()


def test_a_forked_child_publishes_into_the_same_file(tmp_path):
    with pulpo.Pulpo(f"sqlite:///{tmp_path}/q.db") as app:
        app.publish(pulpo.Message(type="parent"))
        in_child(lambda: app.publish(pulpo.Message(type="child")))
        app.publish(pulpo.Message(type="parent"))

        assert sorted(e.type for e in envelopes(app)) == ["child", "parent", "parent"]


def test_many_threads_publish_at_once(app):
    with ThreadPoolExecutor(4) as pool:
        refs = list(pool.map(lambda n: app.publish(pulpo.Message(type="t", body=n)), range(200)))

    assert len({ref.id for ref in refs}) == len(listed(app)) == 200


def test_one_thread_may_close_what_another_has_opened(app):
    published, go_on = threading.Event(), threading.Event()

    def work():
        app.publish(pulpo.Message(type="t"))
        published.set()
        go_on.wait(10)
        app.publish(pulpo.Message(type="t"))

    thread = threading.Thread(target=work)
    thread.start()
    published.wait(10)
    app.close()
    go_on.set()
    thread.join()

    assert len(listed(app)) == 2


def test_what_was_accepted_is_told_where_some_were_refused():
    full = QueueFullError("no room")
    app = pulpo_on(Recorder(answer=lambda job: full if job.queue == "full" else job.id))
    messages = [pulpo.Message(type="t", queue=queue) for queue in ("a", "full", "b", "full")]

    for publish in (app.publish_many, lambda batch: asyncio.run(app.apublish_many(batch))):
        with pytest.raises(QueueFullError, match="no room") as caught:
            publish(messages)
        accepted = [pulpo.JobRef(message.id, message.queue) for message in messages[::2]]
        assert list(caught.value.results) == [accepted[0], full, accepted[1], full]
    app.close()


def test_an_object_needs_a_url_that_some_engine_knows():
    for url, words in [
        ("rabbit://x", "no engine for 'rabbit' URLs; known: memory, sqlite"),
        ("queue.db", "a queue's URL is like"),
        ("sqlite:///x?snyc=off", "sqlite knows no option 'snyc'"),
        ("beanstalkd://h:port", "not a queue's URL"),
    ]:
        with pytest.raises(UsageError, match=words):
            pulpo.Pulpo(url)
    with pytest.raises(WrongTypeError, match="must be text: 7"):
        pulpo.Pulpo(7)


def test_nothing_is_opened_before_the_first_publish(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PULPO_URL", raising=False)
    app = pulpo.Pulpo()

    @app.job
    def f(): ...

    assert list(tmp_path.iterdir()) == []
    f.delay()
    assert (tmp_path / ".pulpo" / "queue.db").exists()
    app.close()


def test_a_wrong_url_from_the_environment_is_blamed_on_it(monkeypatch):
    monkeypatch.setenv("PULPO_URL", "rabbit://me:secret@host")

    with pytest.raises(pulpo.ConfigurationError, match="PULPO_URL: no engine for 'rabbit'") as info:
        pulpo.Pulpo()
    assert "secret" not in str(info.value)


def test_a_wrong_url_from_a_file_is_blamed_on_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PULPO_URL", raising=False)
    (tmp_path / "pulpo.toml").write_text('url = "rabbit://x"')

    with pytest.raises(pulpo.ConfigurationError, match=r"url in .*pulpo\.toml: no engine"):
        pulpo.Pulpo()


def test_the_url_is_shown_without_secrets():
    app = pulpo.Pulpo("beanstalkd://127.0.0.1:11300")

    assert app.shown_url == "beanstalkd://127.0.0.1:11300"


def test_configure_moves_to_another_queue(tmp_path):
    with pulpo.Pulpo("memory://") as app:
        engine = app.engine
        app.configure(url="memory://")
        assert app.engine is engine

        app.publish(pulpo.Message(type="t"))
        app.configure(url=f"sqlite:///{tmp_path}/q.db")
        app.publish(pulpo.Message(type="u"))
        assert [e.type for e in envelopes(app)] == ["u"]

        with pytest.raises(UsageError, match="no engine for 'rabbit'"):
            app.configure(url="rabbit://x")
        assert [e.type for e in envelopes(app)] == ["u"]


def test_jobs_are_signed_where_keys_are_set(monkeypatch):
    monkeypatch.setenv("PULPO_SIGNING_KEYS", " new , old ")
    with pulpo.Pulpo("memory://") as app:
        app.publish(pulpo.Message(type="t"))
        (job,) = listed(app)

    assert pulpo.codec.Codec([b"new"]).decode(job.body).type == "t"
    with pytest.raises(pulpo.SignatureError):
        pulpo.codec.Codec([b"old"]).decode(job.body)


def test_a_queue_that_is_not_there_is_told(tmp_path):
    with pulpo.Pulpo(f"beanstalkd+unix://{tmp_path}/nobody") as app:
        with pytest.raises(pulpo.QueueUnavailableError):
            app.publish(pulpo.Message(type="t"))
        with pytest.raises(pulpo.QueueUnavailableError):
            asyncio.run(app.apublish(pulpo.Message(type="t")))


LEAVING = """
import asyncio, sys, threading, warnings
warnings.simplefilter("error")
import pulpo
app = pulpo.Pulpo(sys.argv[1])
publish = lambda: app.publish(pulpo.Message(type="t"))
publish()
thread = threading.Thread(target=publish)
thread.start()
thread.join()
sleeper = threading.Thread(target=lambda: (publish(), threading.Event().wait()), daemon=True)
sleeper.start()
asyncio.run(app.apublish(pulpo.Message(type="t")))
"""


def test_a_program_may_end_without_closing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", LEAVING, f"sqlite:///{tmp_path}/q.db"],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}/queue.db"])
def test_bytes_that_are_no_job_keep_the_id_that_their_queue_knows(url: str, tmp_path: Path) -> None:
    app = pulpo.Pulpo(url.format(tmp_path))
    adapter, admin = app.engine.adapter(), app.engine.admin()
    adapter.put([NewJob(id="the-id-of-it", type="t", queue="default", body=b"\xc1")])

    app.run_worker(burst=True)

    (found,) = admin.peek(["the-id-of-it"])
    assert found is not None
    assert found.state is JobState.DELAYED  # to be tried again
    adapter.close()
    admin.close()
    app.close()
