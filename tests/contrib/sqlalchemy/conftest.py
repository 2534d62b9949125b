"""Databases for sessions and outboxes: a SQLite file, and a real PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine
from sqlalchemy.engine import Engine

from tests.lab.postgresql import PostgreSQL, find_postgresql


@pytest.fixture(scope="package")
def postgresql() -> Iterator[PostgreSQL]:
    """Return the server that the tests of this folder share, one after the other."""
    if find_postgresql() is None:
        reason = "PostgreSQL is not installed"
        pytest.fail(f"{reason}, and CI is set") if os.environ.get("CI") else pytest.skip(reason)
    with PostgreSQL() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    url = server.url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    there = MetaData()
    there.reflect(engine)
    there.drop_all(engine)
    engine.dispose()
    return url


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """Return an engine for an empty database."""
    made = create_engine(database)
    yield made
    made.dispose()
