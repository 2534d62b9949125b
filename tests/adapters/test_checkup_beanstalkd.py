"""A look at a real beanstalkd sees each kind of trouble, names it, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pulpo import identity
from pulpo.adapter import Engine
from pulpo.adapters import open_engine
from pulpo.adapters.beanstalkd import asking, checkup, probing
from pulpo.adapters.beanstalkd.own_tubes import DOCTOR
from pulpo.adapters.shards.engine import ShardedEngine
from pulpo.adapters.shards.roster import Standing
from pulpo.checkup import Finding, Level
from pulpo.clock import SystemClock
from pulpo.job import Settlement, Verb
from tests.adapters.looks import FAULT, NOTE, OK, WARNING, levels, look
from tests.adapters.speaker import talking
from tests.adapters.sqlite.jobs import new, put, reserve
from tests.lab.beanstalkd import Beanstalkd
from tests.lab.disks import small_disk
from tests.lab.needs import find_faketime, need
from tests.lab.processes import until
from tests.lab.shim import FailingDisk

pytestmark = pytest.mark.usefixtures("beanstalkd_program")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the wait for leases, where a test is about something else."""

    def skip(stats: object, host: object) -> bool:
        return True

    monkeypatch.setattr(checkup, "_is_crowded", skip)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Beanstalkd]:
    """A server as it should be."""
    with Beanstalkd("-f0", binlog=tmp_path / "binlog") as server:
        yield server


def examined(server: Beanstalkd) -> dict[str, Finding]:
    return look(open_engine(server.url))


def filled(engine: Engine, *queues: str) -> None:
    with closing(engine.adapter()) as adapter:
        for queue in queues:
            put(adapter, new(queue=queue))


# All is well


def test_a_server_as_it_should_be_has_no_faults(server: Beanstalkd) -> None:
    found = examined(server)

    # Its timers are its own affair: half of them are lost, by chance maybe none of eight.
    assert levels(found, WARNING, FAULT) <= {"timers"}
    assert levels(found, NOTE) == set()
    assert found["sync"].found.startswith("-f 0")
    assert found["version"].found.startswith("beanstalkd 1.")
    assert "eight leases" not in found["timers"].found
    assert "of 8 leases" in found["timers"].found


def test_looking_leaves_no_job_no_queue_and_no_connection(server: Beanstalkd) -> None:
    engine = open_engine(server.url)
    filled(engine, "mail", "mail", "default")
    with talking(server) as speaker:
        before = speaker.stats()
        look(engine)

        same = [name for name in before if name.startswith("current-")]
        until(  # the server has seen the end of the last connection
            lambda: [before[name] for name in same] == [speaker.stats()[name] for name in same],
            "the same jobs, queues and connections as before",
        )
        after = speaker.stats()
        assert sorted(speaker.tubes()) == ["default", "mail"]
        # The users' jobs were peeked at and nothing else.
        assert int(after["total-jobs"]) - int(before["total-jobs"]) == 9
        assert int(after["cmd-delete"]) - int(before["cmd-delete"]) >= 9
        speaker.say("stats-job 1")
        assert "reserves: 0" in speaker.data


def test_a_look_that_is_broken_off_leaves_no_job(
    server: Beanstalkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen = asking.Asking.listen

    def interrupted(self: asking.Asking, seconds: float) -> None:
        if seconds > 1:
            raise KeyboardInterrupt
        listen(self, seconds)

    monkeypatch.setattr(asking.Asking, "listen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        examined(server)

    with talking(server) as speaker:
        stats = speaker.stats()
        assert int(stats["total-jobs"]) == 9, "one for the put, eight for the leases"
        for state in ("ready", "reserved", "delayed", "buried"):
            assert stats[f"current-jobs-{state}"] == "0"


@pytest.mark.usefixtures("quick")
def test_what_a_killed_look_has_left_behind_is_deleted_by_the_next(
    server: Beanstalkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with talking(server) as speaker:
        speaker.say(f"use {DOCTOR}dead")
        for _ in range(9):
            speaker.say("put 0 0 60 0\r\n")
        speaker.say("use default")

        examined(server)
        assert speaker.stats()["current-jobs-ready"] == "9", "another look may be under way"
        monkeypatch.setattr(probing, "_LEFT_BEHIND", 1)
        until(lambda: "age: 0" not in (speaker.say("stats-job 9"), speaker.data)[1], "a second")
        examined(server)

        assert speaker.tubes() == ["default"]


# Its flags


@pytest.mark.usefixtures("quick")
def test_what_several_servers_tell_each_other_waits_for_no_worker(quick: None) -> None:
    with ExitStack() as ends:
        servers = [ends.enter_context(Beanstalkd()) for _ in range(2)]
        names = ",".join(server.url.removeprefix("beanstalkd://") for server in servers)
        engine = open_engine(f"beanstalkd://{names}")
        assert isinstance(engine, ShardedEngine)
        engine.enroll(engine.names[1], Standing.DRAINING)
        with closing(engine.admin()) as admin:
            found = list(engine.examine(lambda text: None))

            assert admin.queues() == ["default"]
    assert [each.level for each in found if each.name == "workers"] == [OK, OK]


def test_a_server_without_a_binlog_is_a_fault_that_names_the_flags() -> None:
    with Beanstalkd() as server:
        found = examined(server)

    assert levels(found, FAULT) == {"binlog"}
    assert "-b /var/lib/beanstalkd -f 0" in found["binlog"].do
    assert "sync" not in found, "there is nothing to sync"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("flags", "said"),
    [((), "at most every 50 ms"), (("-f", "200"), "every 200 ms"), (("-F",), "never synced")],
)
def test_a_server_that_does_not_sync_each_write_is_a_warning(
    tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    with Beanstalkd(*flags, binlog=tmp_path / "binlog") as server:
        found = examined(server)

    assert levels(found, WARNING, FAULT) == {"sync"}
    assert said in found["sync"].found


@pytest.mark.usefixtures("quick")
def test_what_only_the_servers_host_knows_is_said_not_to_be_known(
    server: Beanstalkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "look", lambda pid, hostname: None)

    found = examined(server)

    assert levels(found, NOTE) == {"sync", "disk", "timers"}
    assert "ps -o args=" in found["sync"].do


@pytest.mark.usefixtures("quick")
def test_a_small_limit_for_jobs_is_a_warning(tmp_path: Path) -> None:
    with Beanstalkd("-f0", "-z", "1000", binlog=tmp_path / "binlog") as server:
        found = examined(server)

    assert levels(found, WARNING, FAULT) == {"job-size"}
    assert "only up to 1,000 bytes" in found["job-size"].found


@pytest.mark.usefixtures("quick")
def test_a_binlog_that_others_can_write_is_a_fault(server: Beanstalkd, tmp_path: Path) -> None:
    (tmp_path / "binlog").chmod(0o777)

    found = examined(server)

    assert levels(found, FAULT) == {"binlog-folder"}


# Its state


def test_a_draining_server_is_a_fault_and_is_not_tried(server: Beanstalkd) -> None:
    server.drain()

    found = examined(server)

    assert levels(found, FAULT) == {"draining"}
    assert found["timers"].level is NOTE
    assert "writes" not in found


@pytest.mark.usefixtures("quick")
def test_a_binlog_of_many_files_is_a_warning(tmp_path: Path) -> None:
    with Beanstalkd("-f0", "-s", "4096", binlog=tmp_path / "binlog") as server:
        engine = open_engine(server.url)
        with closing(engine.adapter()) as adapter:
            put(adapter, *(new(bytes(3_000)) for _ in range(40)))
            assert look(engine)["binlog-span"].level is OK
            put(adapter, *(new(bytes(3_000)) for _ in range(80)))

        found = look(engine)["binlog-span"]

    assert found.level is WARNING
    assert "buried" in found.do


@pytest.mark.usefixtures("quick")
def test_many_queues_are_a_warning(server: Beanstalkd) -> None:
    with talking(server) as speaker:
        for number in range(998):
            speaker.say(f"watch queue-{number}")
        assert examined(server)["queues"].level is OK
        for number in range(998, 1_100):
            speaker.say(f"watch queue-{number}")

        found = examined(server)

    assert levels(found, WARNING, FAULT) == {"queues"}


@pytest.mark.parametrize(("clients", "level"), [(1, OK), (40, WARNING), (47, FAULT)])
def test_connections_are_judged_by_the_servers_own_limit(
    tmp_path: Path, clients: int, level: Level
) -> None:
    need("prlimit")
    limits = ("--nofile=64",)
    with (
        Beanstalkd("-f0", binlog=tmp_path / "binlog", limits=limits) as server,
        ExitStack() as open_ones,
    ):
        for _ in range(clients):
            speaker = open_ones.enter_context(talking(server))
            speaker.say("list-tube-used")

        found = examined(server)

    assert found["connections"].level is level
    assert "at most 64 files" in found["connections"].found


@pytest.mark.usefixtures("quick")
def test_a_full_disk_is_a_fault(tmp_path: Path) -> None:
    need("small disk")
    with (
        small_disk(tmp_path / "disk", size="1m") as disk,
        Beanstalkd("-s", "65536", "-f0", binlog=disk / "binlog") as server,
    ):
        assert examined(server)["disk"].level is OK
        with talking(server) as speaker:
            for size in (10_000, 1):
                while (
                    said := speaker.say(f"put 0 0 60 {size}\r\n{'x' * size}")
                ) != "OUT_OF_MEMORY":
                    assert said.startswith("INSERTED")

        found = examined(server)

    assert levels(found, FAULT) == {"disk", "writes"}
    assert "OUT_OF_MEMORY" in found["writes"].found


def test_a_server_that_goes_on_without_its_binlog_is_a_fault(tmp_path: Path) -> None:
    need("compiler")
    disk = FailingDisk(tmp_path / "flag", match="binlog.")
    with Beanstalkd("-f0", binlog=tmp_path / "binlog", environ=disk.environ) as server:
        assert examined(server)["writes"].level is OK
        disk.fail()

        first, later = examined(server), examined(server)

        with talking(server) as speaker:
            # The job that was answered BURIED stays until the restart: 1.12 has it among the ready
            # ones too, and would die of its delete as soon as jobs come.
            for _ in range(5):
                assert speaker.say("put 0 0 60 1\r\nx").startswith("INSERTED")
            assert speaker.say("reserve-with-timeout 1").startswith("RESERVED")
            assert speaker.stats()["current-jobs-buried"] == "1"
            (left,) = set(speaker.tubes()) - {"default"}
            assert left.startswith(DOCTOR)
    assert first["writes"].level is FAULT
    assert "BURIED" in first["writes"].found
    assert levels(later, FAULT) >= {"writes"}
    assert "restart the server" in later["writes"].do


# Its clock


def test_a_clock_that_runs_away_is_a_fault(tmp_path: Path) -> None:
    need("faketime")
    environ = {"LD_PRELOAD": find_faketime() or "", "FAKETIME": "+0 x20"}
    with Beanstalkd("-f0", binlog=tmp_path / "binlog", environ=environ) as server:
        found = examined(server)

    assert "clock" in levels(found, FAULT)
    assert "s old by the server's clock" in found["clock"].found


@pytest.mark.parametrize(("ahead", "said"), [(3_600, "a producer's clock is ahead"), (0, "agree")])
def test_a_job_from_the_future_says_that_a_producers_clock_is_ahead(
    server: Beanstalkd, ahead: float, said: str
) -> None:
    made = identity._stamp_of(int((SystemClock.wall() + ahead) * 1_000)) + "000-8000-000000000000"
    with closing(open_engine(server.url).adapter()) as adapter:
        put(adapter, new(b'{"type": "a", "headers": {"id": "%b"}}' % made.encode()))

    found = examined(server)["clock"]

    assert found.level is (WARNING if ahead else OK)
    assert said in found.found


# Its jobs


@pytest.mark.usefixtures("quick")
def test_ready_jobs_in_a_queue_that_nobody_watches_are_a_warning(server: Beanstalkd) -> None:
    engine = open_engine(server.url)
    filled(engine, "mail", "mail", "default")

    found = look(engine)["workers"]
    assert found.level is WARNING
    assert "3 ready in 'default', 'mail'" in found.found

    with closing(engine.adapter()) as worker:
        assert len(reserve(worker, 1, ("mail", "default"))) == 1
        assert look(engine)["workers"].level is OK


@pytest.mark.usefixtures("quick")
def test_buried_jobs_and_pauses_are_said_and_that_a_restart_ends_a_pause(
    server: Beanstalkd,
) -> None:
    engine = open_engine(server.url)
    filled(engine, "mail")
    with closing(engine.adapter()) as adapter:
        (job,) = reserve(adapter, 1, ("mail",))
        adapter.exchange([Settlement(Verb.BURY, job, new(queue="mail"))], (), limit=0, timeout=0)
    with closing(engine.admin()) as admin:
        admin.pause("mail")

    found = look(engine)

    assert levels(found, WARNING) == {"buried"}
    assert levels(found, NOTE) == {"paused", "timers"}
    assert "1 buried in 'mail'" in found["buried"].found
    assert "restart" in found["paused"].why


# Who can reach it


@pytest.mark.usefixtures("quick")
def test_a_unix_socket_that_everybody_may_use_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with Beanstalkd("-f0", binlog=tmp_path / "binlog", unix=path) as server:
        path.chmod(0o700)
        assert examined(server)["exposure"].level is OK
        path.chmod(0o777)

        found = examined(server)["exposure"]

    assert found.level is WARNING
    assert "every user" in found.found


@pytest.mark.usefixtures("quick")
def test_a_server_that_is_open_on_every_address_is_a_warning(
    server: Beanstalkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert examined(server)["exposure"].level is OK
    # A table of the kernel in the place of the real one: no test listens for the whole network.
    monkeypatch.setattr(checkup, "listens_everywhere", lambda port: port == server.port)

    assert examined(server)["exposure"].level is WARNING
