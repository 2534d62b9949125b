"""A relay of a Django project that dies by SIGKILL loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.db import transaction

from pulpo.contrib.outbox.django import outbox
from pulpo.contrib.outbox.django.models import OutboxJob
from tests.contrib.django.shop.tasks import plain
from tests.contrib.django.test_outbox import queued, relayed


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_a_relay_that_dies_loses_nothing(moment: str, tmp_path: Path) -> None:
    with transaction.atomic():
        ids = [outbox.publish(plain, number).id for number in range(8)]
    with transaction.atomic():
        outbox.publish(plain, 99)
        transaction.set_rollback(True)

    done = subprocess.run(
        [sys.executable, "-m", "pulpo", "outbox", "relay", "tests.contrib.django.dying"],
        env={**os.environ, "DIE": moment, "PULPO_URL": f"sqlite:///{tmp_path}/queue.db"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert OutboxJob.objects.count() == 8
    assert relayed().count == 8

    found = Counter(found for found, _ in queued())
    assert set(found) == set(ids)
    assert set(found.values()) <= ({1} if moment == "before" else {1, 2})
    assert OutboxJob.objects.count() == 0
