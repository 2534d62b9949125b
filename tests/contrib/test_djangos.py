"""The tests in `tests/contrib/django`, on each Django that there is, and on two databases.

In processes of their own: a process has one Django, with one set of settings.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.lab.postgresql import PostgreSQL, find_postgresql
from tests.lab.pythons import environment_with, find_python

ROOT = Path(__file__).parents[2]
# As little as these tests and pulpo need; pulpo itself is found by its folder.
PACKAGES = (
    "click", "greenstalk", "hypothesis", "msgpack", "psycopg[binary]", "pytest", "pytest-timeout",
    "wrapt",
)  # fmt: skip


def missing(reason: str) -> None:
    """Skip a test, but fail it where CI is set."""
    pytest.fail(f"{reason}, and CI is set") if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    if find_postgresql() is None:
        missing("PostgreSQL is not installed")
    with PostgreSQL() as server:
        yield str(server.port)


def python_with(django: str) -> Path:
    """Return an interpreter that has this Django, or the one of these tests with its own."""
    if django == "5.2":
        if find_spec("django") is None:
            missing("Django is not installed")
        return Path(sys.executable)
    found = find_python((3, 12))
    if found is None:
        # No engine, and nothing that a system of today has to have: skipped where CI is set too.
        pytest.skip("Django 6 needs Python 3.12 or newer, and there is none here")
    return environment_with(Path(str(found)), ("django>=6,<7", *PACKAGES), "django-6")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("django", ["5.2", "6"])
def test_django(django: str, database: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    python = python_with(django)
    environ = {**os.environ, "SHOP_FOLDER": str(tmp_path), "PYTHONPATH": str(ROOT)}
    if database == "postgresql":
        environ["SHOP_PORT"] = request.getfixturevalue("port")
    version = subprocess.run(
        [python, "-c", "import django; print(django.get_version())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # On a newer Python the environment of the tests may have Django 6 already.
    assert version.startswith(django) or sys.version_info >= (3, 12)

    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contrib/django"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-8000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 40, done.stdout
