"""A queue file of one test, with a clock that is moved, and doors that are closed at its end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from pulpo.adapters.sqlite import SQLiteEngine
from pulpo.adapters.sqlite.adapter import SQLiteAdapter
from pulpo.adapters.sqlite.admin import SQLiteAdmin
from pulpo.clock import ManualClock
from pulpo.queue_url import QueueURL

Open = Callable[[], SQLiteAdapter]
OpenAt = Callable[[Path], SQLiteAdapter]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@pytest.fixture
def engine(path: Path, clock: ManualClock) -> SQLiteEngine:
    return SQLiteEngine(QueueURL.parse(f"sqlite:///{path}"), clock=clock)


@pytest.fixture
def doors() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def open_adapter(engine: SQLiteEngine, doors: contextlib.ExitStack) -> Open:
    def open_one() -> SQLiteAdapter:
        adapter = engine.adapter()
        doors.callback(adapter.close)
        return adapter

    return open_one


@pytest.fixture
def open_at(clock: ManualClock, doors: contextlib.ExitStack) -> OpenAt:
    def open_one(path: Path) -> SQLiteAdapter:
        url = QueueURL.parse(f"sqlite:///{quote(str(path))}")
        adapter = SQLiteEngine(url, clock=clock).adapter()
        doors.callback(adapter.close)
        return adapter

    return open_one


@pytest.fixture
def adapter(open_adapter: Open) -> SQLiteAdapter:
    return open_adapter()


@pytest.fixture
def admin(engine: SQLiteEngine, doors: contextlib.ExitStack) -> SQLiteAdmin:
    admin = engine.admin()
    doors.callback(admin.close)
    return admin
