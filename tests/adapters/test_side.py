"""The contract of the side stores: in memory, in a queue file, in the file beside a beanstalkd."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pulpo.adapter import Engine
from pulpo.adapters import open_engine
from pulpo.adapters.sqlite import room
from pulpo.clock import ManualClock
from pulpo.contract import SideContract
from pulpo.contract.side import SPACE, Doors, count, fact, values
from pulpo.errors import QueueFullError, QueueUnavailableError, UsageError
from pulpo.side import Removal, SideStore, side_of

# Nobody listens there: facts need no server.
NOBODY = "beanstalkd://127.0.0.1:1"

ROUNDS = 100
RACE = """
import sys
from pulpo.adapters import open_engine
from pulpo.side import ABSENT, Addition, Write, side_of

url, turn, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = side_of(open_engine(url))

def write(key, value, expected):
    told = Write(space="contract", key=key, value=value, lasts=60.0, expected=expected)
    return store.write([told])[0].done

store.read("contract", ["nothing"])
print("ready", flush=True)
sys.stdin.readline()
won = beaten = 0
for number in range(rounds):
    won += write(f"{turn}-{number}", b"", ABSENT)
    store.add([Addition(space="contract", key="sum", amounts={"n": 1}, lasts=60.0)])
    while True:
        (found,) = store.read("contract", ["step"])
        step, version = (int(found.value), found.version) if found else (0, ABSENT)
        if write("step", b"%d" % (step + 1), version):
            break
        beaten += 1
store.close()
print(won, beaten)
"""


class TestMemory(SideContract):
    @pytest.fixture
    def engine(self, clock: ManualClock) -> Engine:
        return open_engine("memory://", clock=clock)


class OnDisk(SideContract):
    """What is more to stores that processes share."""

    URL = ""

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return self.URL.format(folder=tmp_path)

    @pytest.fixture(autouse=True)
    def state(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        return tmp_path / "state"

    @pytest.fixture
    def engine(self, url: str, clock: ManualClock) -> Engine:
        return open_engine(url, clock=clock)

    def test_of_two_processes_that_race_each_key_goes_to_one(self, url: str) -> None:
        steps = 0
        for turn in range(20):
            told = [race.split() for race in _race(url, turn)]
            steps += 2 * ROUNDS
            with closing(_store(url)) as store:
                assert sum(int(won) for won, _ in told) == ROUNDS, "each key is one's"
                (total,) = store.read(SPACE, ["sum"])
                assert total is not None
                assert total.amounts["n"] == steps, "no addition is lost"
                assert values(store, "step") == [b"%d" % steps], "no step is taken twice"
            if sum(int(beaten) for _, beaten in told):
                return
        pytest.fail("they never met")

    def test_facts_outlive_the_machine_s_start_by_the_wall_clock(
        self, door: Doors, clock: ManualClock
    ) -> None:
        door().write([fact("a", lasts=1_000.0), fact("b", lasts=1.0)])
        clock.advance(5.0)
        clock.reboot()
        store = door()

        assert values(store, "a", "b") == [b"v", None]
        clock.advance(996.0)
        assert values(store, "a") == [None]

    def test_they_are_cleared_away_after_a_start_too(self, door: Doors, clock: ManualClock) -> None:
        door().write([fact("a", lasts=1.0), fact("b", lasts=None), fact("c", lasts=1_000.0)])
        clock.advance(5.0)
        clock.reboot()
        store = door()
        store.add([count("n", n=1)])

        rows = store._database.read("SELECT key FROM side ORDER BY key")  # type: ignore[attr-defined]
        assert rows == [("b",), ("c",), ("n",)]


class TestSQLite(OnDisk):
    URL = "sqlite:///{folder}/queue.db"

    def test_all_workers_tell_there(self, engine: Engine) -> None:
        store = side_of(engine)
        assert store is not None
        assert store.is_whole

    def test_no_fact_takes_the_room_that_settling_needs(
        self, door: Doors, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
    ) -> None:
        store = door()
        store.write([fact("a")])
        monkeypatch.setattr(room, "free_bytes", lambda folder: room.LEAST_FREE - 1)
        clock.advance(2.0)

        with pytest.raises(QueueFullError):
            store.write([fact("b")])
        with pytest.raises(QueueFullError):
            store.add([count("c", n=1)])
        assert store.remove([Removal(space=SPACE, key="a")]) == [True]

    def test_facts_wake_nobody_and_are_no_jobs(self, engine: Engine, door: Doors) -> None:
        door().write([fact("a")])

        with closing(engine.admin()) as admin:
            assert admin.queues() == []


class TestBeanstalkdInTheStateFolder(OnDisk):
    URL = NOBODY

    def test_each_address_has_a_file_of_its_own(self, state: Path, door: Doors) -> None:
        door().write([fact("a")])
        urls = [
            "beanstalkd://localhost:1",
            "beanstalkd://127.0.0.1:2",
            "beanstalkd+unix:///run/bean.sock",
            "beanstalkd+unix:///run/bean_sock",
        ]
        found = []
        for url in urls:
            with closing(_store(url)) as store:
                found += values(store, "a")
                store.write([fact("a", url.encode())])

        assert found == [b"v", None, None, None]
        files = sorted(path.name for path in (state / "pulpo").glob("*.db"))
        assert len(files) == 4
        assert files[:2] == ["beside-127.0.0.1-1.db", "beside-127.0.0.1-2.db"]
        assert (state / "pulpo").stat().st_mode & 0o777 == 0o700

    def test_other_hosts_tell_elsewhere(self, door: Doors) -> None:
        assert not door().is_whole

    def test_without_a_home_it_is_out_of_reach(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", "relative/is/not/valid")
        monkeypatch.setattr(Path, "home", _no_home)

        with pytest.raises(QueueUnavailableError, match="XDG_STATE_HOME"):
            _store(NOBODY)


class TestBeanstalkdWithAFileNamed(OnDisk):
    URL = NOBODY + "?side=sqlite:///{folder}/facts.db"

    def test_that_file_is_used(self, tmp_path: Path, state: Path, door: Doors) -> None:
        door().write([fact("a")])

        assert (tmp_path / "facts.db").exists()
        assert not state.exists()

    @pytest.mark.parametrize("side", ["", "facts.db", "memory://", "sqlite:///x.db%3Fwrong=1"])
    def test_another_url_is_refused_when_it_is_opened(self, side: str) -> None:
        with pytest.raises(UsageError, match="option 'side'"):
            open_engine(f"{NOBODY}?side={side}")

    def test_behind_a_spool_it_is_the_same(self, tmp_path: Path, url: str, door: Doors) -> None:
        door().write([fact("a")])

        with closing(_store(f"{url}&spool={tmp_path}/spool")) as store:
            assert values(store, "a") == [b"v"]


def _race(url: str, turn: int) -> list[str]:
    """Let two processes go for the same keys at the same time; return what each said."""
    command = [sys.executable, "-c", RACE, url, str(turn), str(ROUNDS)]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    return [racer.communicate(timeout=60)[0] for racer in racers]


def _no_home() -> Path:
    raise RuntimeError("could not determine home directory")


def _store(url: str) -> SideStore:
    store = side_of(open_engine(url))
    assert store is not None
    return store
