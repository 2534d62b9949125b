"""The folder of a spool: ours alone, bounded, and accepted means on the disk."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulpo.adapters.spool import look
from pulpo.adapters.spool import store as store_module
from pulpo.adapters.spool.store import Spool
from pulpo.clock import ManualClock, SystemClock
from pulpo.errors import (
    DecodeError,
    PublishUncertainError,
    QueueFullError,
    QueueUnavailableError,
)
from tests.adapters.spool.jobs import job
from tests.lab.disks import small_disk
from tests.lab.needs import need
from tests.lab.syncs import count_syncs

MB = 1_000_000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "deep" / "spool", MB, SystemClock())


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    need("small disk")
    with small_disk(tmp_path / "disk", size="64k") as folder:
        yield folder


def names(spool: Spool) -> list[str]:
    spool.refresh()
    return list(iter(spool.next_name, None))


def test_folders_and_files_are_for_their_owner_only(spool: Spool) -> None:
    old = os.umask(0)
    try:
        assert spool.keep([job()]) == [None]
    finally:
        os.umask(old)

    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (spool.folder, *spool.folder.rglob("*"))
    }
    (file,) = names(spool)
    assert modes == {"spool": 0o700, "new": 0o700, "refused": 0o700, file: 0o600}


def test_the_most_urgent_comes_first_then_the_oldest(spool: Spool) -> None:
    jobs = [job(priority=priority) for priority in (9, 9, 2**32 - 1, 0)]
    jobs[1] = job(priority=9, id="01a00000-0000-7000-8000-000000000000")  # earlier than the others
    spool.keep(jobs)

    kept = [spool.read(name) for name in names(spool)]

    assert kept == [jobs[3], jobs[1], jobs[0], jobs[2]]


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_folder_that_others_can_write_is_refused(spool: Spool, mode: int) -> None:
    spool.folder.mkdir(parents=True)
    spool.folder.chmod(mode)

    (answer,) = spool.keep([job()])

    assert isinstance(answer, QueueUnavailableError)
    assert "others must not write it" in str(answer)
    assert list(spool.folder.iterdir()) == []


def test_a_link_is_refused(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    spool.folder.parent.mkdir()
    spool.folder.symlink_to(tmp_path / "elsewhere")

    (answer,) = spool.keep([job()])

    assert isinstance(answer, QueueUnavailableError)
    assert "not a link" in str(answer)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_folder_of_somebody_else_is_refused(spool: Spool) -> None:
    need("root")  # who else could give a folder away
    spool.folder.mkdir(parents=True)
    os.chown(spool.folder, 1234, 1234)

    (answer,) = spool.keep([job()])

    assert isinstance(answer, QueueUnavailableError)


@pytest.mark.parametrize("name", ["new", "refused"])
def test_a_link_in_the_spool_is_refused(spool: Spool, tmp_path: Path, name: str) -> None:
    spool.folder.mkdir(parents=True, mode=0o700)
    (spool.folder / name).symlink_to(tmp_path)

    (answer,) = spool.keep([job()])

    assert isinstance(answer, QueueUnavailableError)


def test_beyond_its_limit_it_takes_nothing_and_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 10_000, SystemClock())

    answers = spool.keep([job(body=bytes(1000)) for _ in range(20)])

    taken = [answer is None for answer in answers]
    assert 5 < sum(taken) < 10
    assert taken == sorted(taken, reverse=True), "the first ones are taken"
    assert all(isinstance(a, QueueFullError) and "spool" in str(a) for a in answers if a)
    assert look(spool.folder, 0.0).bytes <= 10_000
    assert look(spool.folder, 0.0).jobs == sum(taken)


def test_the_limit_counts_what_other_processes_have_kept(tmp_path: Path) -> None:
    clock = ManualClock()
    one, other = (Spool(tmp_path / "spool", 10_000, clock) for _ in range(2))
    one.keep([job()])
    other.keep([job(body=bytes(9_000))])
    clock.advance(30)

    (answer,) = one.keep([job(body=bytes(1000))])

    assert isinstance(answer, QueueFullError)


def test_what_was_relayed_makes_room(tmp_path: Path) -> None:
    clock = ManualClock()
    spool = Spool(tmp_path / "spool", 10_000, clock)
    spool.keep([job(body=bytes(9_000))])
    for name in names(spool):
        spool.remove(name)
    clock.advance(30)

    assert spool.keep([job(body=bytes(9_000))]) == [None]


def test_a_full_disk_keeps_what_it_can_and_refuses_the_rest(disk: Path) -> None:
    spool = Spool(disk / "spool", MB, SystemClock())
    jobs = [job(body=bytes(3_000)) for _ in range(30)]

    answers = spool.keep(jobs)

    kept = [each for each, answer in zip(jobs, answers, strict=True) if answer is None]
    refused = [answer for answer in answers if answer is not None]
    assert kept
    assert all(isinstance(answer, QueueFullError) for answer in refused)
    assert all("the disk of the spool is full" in str(answer) for answer in refused)
    assert len(refused) > 10
    assert sorted(spool.read(name).id for name in names(spool)) == sorted(j.id for j in kept)
    assert list((spool.folder / "new").iterdir()) == [], "no halves are left"


def test_a_spool_that_cannot_be_made_is_out_of_reach(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / "file" / "spool", MB, SystemClock())

    (answer,) = spool.keep([job()])

    assert isinstance(answer, QueueUnavailableError)
    assert str(spool.folder) in str(answer)


def test_a_disk_that_fails_at_the_last_sync_leaves_a_doubt(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.keep([job()])
    monkeypatch.setattr(store_module, "sync_folder", fail_with(errno.EIO))
    doubtful = job()

    (answer,) = spool.keep([doubtful])

    assert isinstance(answer, PublishUncertainError)
    assert answer.id == doubtful.id


def fail_with(number: int) -> object:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_folder_that_was_removed_is_made_again(spool: Spool) -> None:
    spool.keep([job()])
    for path in sorted(spool.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    spool.folder.rmdir()

    assert spool.keep([job()]) == [None]
    assert len(names(spool)) == 1


@pytest.mark.parametrize("kind", ["link", "folder", "fifo", "torn", "empty"])
def test_what_is_no_whole_file_of_a_job_is_not_read(
    spool: Spool, tmp_path: Path, kind: str
) -> None:
    spool.keep([job()])
    (name,) = names(spool)
    path = spool.folder / name
    whole = path.read_bytes()
    path.unlink()
    if kind == "link":
        (tmp_path / "whole").write_bytes(whole)
        path.symlink_to(tmp_path / "whole")
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(whole[:20] if kind == "torn" else b"")

    with pytest.raises(DecodeError):
        spool.read(name)


def test_what_a_killed_producer_left_half_written_is_cleared_after_a_day(tmp_path: Path) -> None:
    clock = ManualClock()
    spool = Spool(tmp_path / "spool", MB, clock)
    spool.prepare()
    for name, age in (("young", 3_600), ("old", 90_000)):
        path = spool.folder / "new" / name
        path.touch()
        os.utime(path, (clock.wall() - age,) * 2)

    spool.sweep()

    assert [path.name for path in (spool.folder / "new").iterdir()] == ["young"]


KEEP = """
import sys
from pathlib import Path
from pulpo.adapters.spool.store import Spool
from pulpo.clock import SystemClock
from tests.adapters.spool.jobs import job

spool = Spool(Path(sys.argv[1]), 1_000_000, SystemClock())
assert spool.keep([job()]) == [None]
sys.stderr.write("BEGIN\\n")
assert spool.keep([job() for _ in range(int(sys.argv[2]))]) == [None] * int(sys.argv[2])
sys.stderr.write("END\\n")
"""


@pytest.mark.parametrize("count", [1, 25])
def test_every_file_is_synced_and_the_folder_once(tmp_path: Path, count: int) -> None:
    syncs = count_syncs(KEEP, str(tmp_path / "spool"), str(count), trace=tmp_path / "trace")

    assert syncs == count + 1
