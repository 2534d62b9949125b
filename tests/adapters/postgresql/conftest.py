"""What the tests of this engine share."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

import pulpo
from pulpo.adapters import open_engine
from tests.lab.postgresql import PostgreSQL


@pytest.fixture
def app(postgresql_url: str) -> Iterator[pulpo.Pulpo]:
    """Return an app on an empty queue that is made already."""
    engine = open_engine(postgresql_url)
    admin = engine.admin()
    admin.queues()
    admin.close()
    with pulpo.Pulpo(postgresql_url) as app:
        yield app


@pytest.fixture
def connection(postgresql: PostgreSQL) -> Iterator[psycopg.Connection]:
    """Return a connection of a user's own."""
    with psycopg.connect(postgresql.url) as connection:
        yield connection
