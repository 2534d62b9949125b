"""A lost page cache takes back what was not synced, and nothing else."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.lost_cache import LostCache
from tests.lab.needs import need

WRITES = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for step in sys.argv[2:]:
    what, _, rest = step.partition(":")
    if what == "sync":
        os.fsync(fd)
    elif what == "cut":
        os.ftruncate(fd, int(rest))
    else:
        os.pwrite(fd, rest.encode(), int(what))
"""


@pytest.fixture
def cache(tmp_path: Path) -> LostCache:
    need("compiler")
    return LostCache(tmp_path, tmp_path / "file")


def write(cache: LostCache, path: Path, *steps: str) -> None:
    subprocess.run(
        [sys.executable, "-c", WRITES, str(path), *steps],
        env={**os.environ, **cache.environ},
        timeout=60,
        check=True,
    )


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        (("0:abc", "sync"), b"abc"),
        (("0:abc", "sync", "1:X"), b"abc"),
        (("0:abc", "sync", "1:X", "2:YZ", "0:Q"), b"abc"),
        (("0:abc", "sync", "cut:1", "1:Z"), b"abc"),
        (("0:abc", "cut:8", "sync", "cut:2", "5:Z"), b"abc\0\0\0\0\0"),
        (("0:abc", "sync", "3:def", "sync", "6:ghi"), b"abcdef"),
        (("0:abc",), b""),
    ],
)
def test_what_came_after_the_last_sync_is_gone(
    cache: LostCache, tmp_path: Path, steps: tuple[str, ...], left: bytes
) -> None:
    write(cache, tmp_path / "file", *steps)

    lost = cache.lose(random.Random(0), some=False)

    assert (tmp_path / "file").read_bytes() == left
    assert lost == (steps[-1] != "sync")


def test_a_sync_of_one_process_is_one_for_all_that_was_written(
    cache: LostCache, tmp_path: Path
) -> None:
    write(cache, tmp_path / "file", "0:abc")
    write(cache, tmp_path / "file", "sync", "3:def")
    write(cache, tmp_path / "other", "0:abc")

    cache.lose(random.Random(0), some=False)

    assert (tmp_path / "file").read_bytes() == b"abc"
    assert (tmp_path / "other").read_bytes() == b"abc"


def test_some_pages_may_be_there_and_others_not(cache: LostCache, tmp_path: Path) -> None:
    pages = ["a" * 4096, "b" * 4096, "c" * 4096, "d" * 4096]
    write(cache, tmp_path / "file", "0:" + "-" * 4 * 4096, "sync")
    write(cache, tmp_path / "file", *(f"{n * 4096}:{page}" for n, page in enumerate(pages)))

    lost = cache.lose(random.Random(1), some=True)

    left = (tmp_path / "file").read_bytes()
    found = [left[at : at + 4096].decode() for at in range(0, len(left), 4096)]
    assert 0 < lost < 4
    assert sum(page == "-" * 4096 for page in found) == lost
    assert all(new in (page, "-" * 4096) for new, page in zip(found, pages, strict=True))
