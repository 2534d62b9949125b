"""A Django project with real databases and a real queue, for one process of pytest.

These tests run in processes of their own, once for each Django there is: `test_djangos.py` one
folder higher starts them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

if "SHOP_FOLDER" not in os.environ:
    collect_ignore_glob = ["test_*.py"]
else:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.contrib.django.settings"
    import django

    django.setup()


@pytest.fixture(scope="session")
def tables() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


@pytest.fixture(autouse=True)
def clean(tables: None, tmp_path: Path) -> Iterator[None]:
    """An empty database, and an empty queue."""
    from django.core.management import call_command

    import pulpo
    from tests.contrib.django.shop import tasks

    call_command("flush", verbosity=0, interactive=False)
    tasks.DONE.clear()
    pulpo.configure(url=f"sqlite:///{tmp_path}/queue.db")
    yield
    pulpo.default_app().close()
