"""Publishing through a spool, while a real beanstalkd is killed, frozen, drained and restarted."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import pulpo
from pulpo.adapters import open_engine
from pulpo.adapters.spool import SpoolStats, look
from pulpo.adapters.spool.store import Spool
from pulpo.clock import SystemClock
from pulpo.errors import (
    JobTooBigError,
    PublishUncertainError,
    QueueFullError,
    QueueUnavailableError,
    QueueUnusableError,
    UnsupportedError,
    UsageError,
)
from pulpo.job import JobState
from pulpo.message import Message
from tests.adapters.spool.jobs import job
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.processes import until


@pytest.fixture
def server(beanstalkd_program: str, tmp_path: Path) -> Iterator[Beanstalkd]:
    with Beanstalkd("-f0", binlog=tmp_path / "binlog") as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def app(server: Beanstalkd, folder: Path) -> Iterator[pulpo.Pulpo]:
    with pulpo.Pulpo(f"{server.url}?spool={folder}") as app:
        yield app


def message(**fields: object) -> Message:
    return Message(type="t", body=None, **fields)  # type: ignore[arg-type]


def spooled(folder: Path) -> SpoolStats:
    return look(folder, time.time())


def queued(app: pulpo.Pulpo) -> list[str]:
    admin = app.engine.admin()
    try:
        return [each.id for each in admin.list("default", limit=10_000)]
    finally:
        admin.close()


def publish_until_empty(app: pulpo.Pulpo, folder: Path) -> list[str]:
    """Publish until the spool is empty; return the ids."""
    ids: list[str] = []

    def published() -> bool:
        ids.append(app.publish(message()).id)
        return spooled(folder).jobs == 0

    until(published, "an empty spool", pause=0.1)
    return ids


def test_nothing_is_kept_while_the_server_is_there(app: pulpo.Pulpo, folder: Path) -> None:
    reference = app.publish(message())

    assert queued(app) == [reference.id]
    assert spooled(folder) == SpoolStats()


def test_what_was_kept_goes_out_in_order_of_priority_when_the_server_is_back(
    app: pulpo.Pulpo, server: Beanstalkd, folder: Path
) -> None:
    server.kill()
    kept = {n: app.publish(message(priority=n)).id for n in (50, 7, 4_000_000, 0)}
    assert spooled(folder).jobs == 4
    server.start()

    later = publish_until_empty(app, folder)

    # beanstalkd counts upwards: the number says in which order they came.
    admin = app.engine.admin()
    came = [each.id for each in sorted(admin.list("default"), key=lambda each: each.number)]
    admin.close()
    assert [each for each in came if each not in later] == [
        *(kept[0], kept[7], kept[50], kept[4_000_000])
    ]
    assert sorted(came) == sorted([*kept.values(), *later])


def test_a_new_process_publishes_while_the_server_was_never_there(
    server: Beanstalkd, folder: Path
) -> None:
    server.kill()
    with pulpo.Pulpo(f"{server.url}?spool={folder}") as app:
        first = app.publish(message())
    server.start()

    with pulpo.Pulpo(f"{server.url}?spool={folder}") as another:
        second = another.publish(message())
        assert sorted(queued(another)) == sorted([first.id, second.id])
    assert spooled(folder).jobs == 0


def test_a_unique_job_that_was_kept_is_there_once_when_the_server_is_back(
    server: Beanstalkd, folder: Path, tmp_path: Path
) -> None:
    unique = pulpo.Unique(by="user_id")
    wanted = message().with_body({"user_id": 7})
    with pulpo.Pulpo(f"{server.url}?spool={folder}&side=sqlite:///{tmp_path}/side.db") as app:
        first = app.publish(replace(wanted, unique=unique))
        server.kill()
        again = app.publish(Message(type="t", body={"user_id": 7}, unique=unique))
        other = app.publish(Message(type="t", body={"user_id": 8}, unique=unique, id="mine"))
        assert (again.existing, other.id) == (False, "mine")  # who knows?
        replacing = pulpo.Unique(by="user_id", on_conflict="replace")
        with pytest.raises(QueueUnavailableError):
            app.publish(Message(type="t", body={"user_id": 7}, unique=replacing))
        server.start()

        later = publish_until_empty(app, folder)

        assert sorted(queued(app)) == sorted([first.id, other.id, *later])


def test_no_job_is_kept_that_the_queue_would_never_take(server: Beanstalkd, folder: Path) -> None:
    server.kill()
    with (
        pulpo.Pulpo(f"{server.url}?spool={folder}") as app,
        pytest.raises(UnsupportedError, match=r"\?side="),
    ):
        app.publish(message(id="order-17"))
    assert spooled(folder).jobs == 0


def test_a_frozen_server_is_not_waited_for_at_every_publish(
    app: pulpo.Pulpo, server: Beanstalkd, folder: Path
) -> None:
    app.publish(message())
    server.freeze()
    start = time.monotonic()
    for _ in range(100):
        app.publish(message())
    took = time.monotonic() - start
    server.thaw()

    # One waits for its answer, for 5 s.
    assert took < 60
    assert spooled(folder).jobs == 100


def test_a_frozen_server_may_get_the_unanswered_job_twice_under_one_id(
    app: pulpo.Pulpo, server: Beanstalkd, folder: Path
) -> None:
    app.publish(message())
    server.freeze()
    unanswered = app.publish(message()).id
    server.thaw()
    until(lambda: queued(app).count(unanswered) == 1, "the job that was sent")

    with pulpo.Pulpo(f"{server.url}?spool={folder}") as another:
        another.publish(message())
        assert queued(another).count(unanswered) == 2


def test_a_draining_server_is_away(app: pulpo.Pulpo, server: Beanstalkd, folder: Path) -> None:
    app.publish(message())
    server.drain()
    until(lambda: app.publish(message()) and spooled(folder).jobs, "a job in the spool")
    server.restart()

    publish_until_empty(app, folder)


def test_a_batch_that_meets_an_outage_is_accepted_as_a_whole(
    app: pulpo.Pulpo, server: Beanstalkd, folder: Path
) -> None:
    server.kill()

    references = app.publish_many([message() for _ in range(30)])

    assert len({each.id for each in references}) == 30
    assert spooled(folder).jobs == 30


def test_a_batch_too_large_for_the_spool_says_for_each_message_what_became_of_it(
    server: Beanstalkd, folder: Path
) -> None:
    server.kill()
    with pulpo.Pulpo(f"{server.url}?spool={folder}&spool_limit=3000") as app:
        with pytest.raises(QueueFullError, match="spool") as caught:
            app.publish_many([message() for _ in range(30)])

        results = caught.value.results
        kept = [each for each in results if isinstance(each, pulpo.JobRef)]
        assert len(results) == 30
        assert 0 < len(kept) == spooled(folder).jobs < 30
        assert all(isinstance(each, QueueFullError | pulpo.JobRef) for each in results)


def test_a_job_too_big_is_refused_at_the_call(
    app: pulpo.Pulpo, server: Beanstalkd, folder: Path
) -> None:
    server.kill()

    with pytest.raises(JobTooBigError):
        app.publish(Message(type="t", body=bytes(70_000)))
    assert spooled(folder).jobs == 0


def test_how_large_a_job_may_be_is_remembered_for_those_who_find_the_server_away(
    beanstalkd_program: str, folder: Path
) -> None:
    large = Message(type="t", body=bytes(100_000))
    with Beanstalkd("-z", "200000") as server:
        url = f"{server.url}?spool={folder}"
        with pulpo.Pulpo(url) as app:
            app.publish(message())
        server.kill()
        with pulpo.Pulpo(url) as another:
            another.publish(large)
            with pytest.raises(JobTooBigError, match="200000"):
                another.publish(Message(type="t", body=bytes(250_000)))
    assert spooled(folder).jobs == 1


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"engine": 7}', "x" * 9_000])
def test_a_memory_that_is_damaged_is_none(server: Beanstalkd, folder: Path, text: str) -> None:
    server.kill()
    folder.mkdir(mode=0o700)
    (folder / "queue").write_text(text)

    with pulpo.Pulpo(f"{server.url}?spool={folder}") as app:
        app.publish(message())
    assert spooled(folder).jobs == 1


def test_publishing_from_an_event_loop_is_kept_too(
    app: pulpo.Pulpo, server: Beanstalkd, folder: Path
) -> None:
    server.kill()

    async def publish() -> list[pulpo.JobRef]:
        return await asyncio.gather(*(app.apublish(message()) for _ in range(10)))

    assert len({each.id for each in asyncio.run(publish())}) == 10
    assert spooled(folder).jobs == 10


def test_many_threads_and_a_forked_child_keep_every_job(
    app: pulpo.Pulpo, server: Beanstalkd, folder: Path
) -> None:
    app.publish(message())
    server.kill()
    threads = [
        threading.Thread(target=lambda: [app.publish(message()) for _ in range(20)])
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    child = os.fork()
    if not child:
        try:
            for _ in range(20):
                app.publish(message())
            os._exit(0)
        finally:
            os._exit(1)
    for thread in threads:
        thread.join(60)
    _, status = os.waitpid(child, 0)
    assert (status, spooled(folder).jobs) == (0, 120)
    server.start()

    publish_until_empty(app, folder)

    assert len(set(queued(app))) >= 121


def test_a_delay_counts_from_the_publish_not_from_the_relay(
    app: pulpo.Pulpo, server: Beanstalkd, folder: Path
) -> None:
    server.kill()
    delayed = app.publish(message(delay="60s"))
    time.sleep(3)
    server.start()
    publish_until_empty(app, folder)

    admin = app.engine.admin()
    (found,) = admin.peek([delayed.id])
    admin.close()
    assert found is not None
    assert found.state is JobState.DELAYED
    assert 20 < found.due <= 58


def test_a_job_that_has_expired_in_the_spool_is_relayed(
    app: pulpo.Pulpo, server: Beanstalkd, folder: Path
) -> None:
    server.kill()
    expired = app.publish(message(expires="10ms"))
    time.sleep(0.05)
    server.start()

    publish_until_empty(app, folder)

    assert expired.id in queued(app)


def test_where_neither_takes_a_job_both_are_named(server: Beanstalkd, tmp_path: Path) -> None:
    server.kill()
    (tmp_path / "file").touch()
    with (
        pulpo.Pulpo(f"{server.url}?spool={tmp_path}/file/spool") as app,
        pytest.raises(QueueUnavailableError, match=r"cannot reach.*; and the spool cannot"),
    ):
        app.publish(message())


def test_where_the_spool_cannot_keep_what_was_sent_the_doubt_stays(
    server: Beanstalkd, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pulpo.Pulpo(f"{server.url}?spool={tmp_path}/file/spool") as app:
        app.publish(message())
        server.freeze()
        asked = message()
        with pytest.raises(PublishUncertainError) as caught:
            app.publish(asked)
        server.thaw()
    assert caught.value.id == asked.id


def test_a_folder_that_others_can_write_is_refused_at_the_first_publish(
    app: pulpo.Pulpo, folder: Path
) -> None:
    folder.mkdir()
    folder.chmod(0o777)

    with pytest.raises(QueueUnusableError, match="others must not write it"):
        app.publish(message())


def test_a_spool_that_cannot_be_made_stops_no_publish_while_the_server_is_there(
    server: Beanstalkd, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pulpo.Pulpo(f"{server.url}?spool={tmp_path}/file/spool") as app:
        reference = app.publish(message())
        assert queued(app) == [reference.id]


def test_a_closed_door_keeps_nothing(server: Beanstalkd, folder: Path) -> None:
    adapter = open_engine(f"{server.url}?spool={folder}").adapter()
    adapter.close()

    with pytest.raises(QueueUnavailableError):
        adapter.put([job()])
    assert spooled(folder).jobs == 0


def test_with_an_empty_spool_a_publish_touches_no_file(
    app: pulpo.Pulpo, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.publish(message())
    seen: list[str] = []
    watched = True

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if watched and str(folder) in str(arguments):
            seen.append(event)

    import sys

    sys.addaudithook(note)
    with monkeypatch.context() as patched:
        # stat(2) raises no event.
        patched.setattr(os, "lstat", lambda *_, **__: seen.append("lstat"))
        for _ in range(50):
            app.publish(message())
    watched = False

    assert seen == []


@pytest.mark.parametrize("url", ["sqlite:///queue.db", "memory://"])
def test_a_queue_that_is_never_away_takes_no_spool_and_says_why(url: str) -> None:
    engine = url.partition(":")[0]

    with pytest.raises(UnsupportedError, match=f"{engine} takes no option 'spool': a queue in"):
        open_engine(f"{url}?spool=spool")


@pytest.mark.parametrize(
    "options",
    [
        "spool=",
        "spool_limit=5MB",
        "spool=x&spool_limit=0",
        "spool=x&spool_limit=much",
        "spool=x&spool_limit=-5",
        "spool=x&spol_limit=5",
        "spool=a%00b",
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_made(
    options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError):
        open_engine(f"beanstalkd://127.0.0.1?{options}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", ["beanstalkd+unix:///tmp/x", "beanstalkds://127.0.0.1"])
def test_every_kind_of_server_takes_a_spool(scheme: str) -> None:
    open_engine(f"{scheme}?spool=x&spool_limit=5MiB")


def test_a_queue_that_was_never_reached_is_asked_again_by_a_worker(
    server: Beanstalkd, folder: Path
) -> None:
    server.kill()
    adapter = open_engine(f"{server.url}?spool={folder}").adapter()
    assert adapter.capabilities.engine == ""
    server.start()

    adapter.exchange([], ["default"], limit=1, timeout=0)

    assert adapter.capabilities.engine == "beanstalkd"
    adapter.close()


def test_a_process_that_has_met_no_outage_relays_for_one_that_is_gone(
    app: pulpo.Pulpo, server: Beanstalkd, folder: Path
) -> None:
    app.publish(message())
    gone = job(queue="default")
    Spool(folder, 1_000_000, SystemClock()).keep([gone])

    publish_until_empty(app, folder)

    admin = app.engine.admin()
    assert sum(each.body == gone.body for each in admin.list("default", limit=1_000)) == 1
    admin.close()
