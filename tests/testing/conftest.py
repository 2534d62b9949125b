"""A trial of an app of its own for each test, on the engines whose clock a test can move."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulpo import Pulpo
from pulpo.testing import TrialQueue, trial

ENGINES = ["memory://", "sqlite:"]


@pytest.fixture
def app() -> Pulpo:
    return Pulpo("memory://")


@pytest.fixture(params=ENGINES)
def queue(app: Pulpo, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TrialQueue]:
    with trial(app, request.param, folder=tmp_path) as queue:
        yield queue


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail whoever sleeps; to stand back from the lock of a file for a moment is no sleep."""
    real = time.sleep

    def sleep(seconds: float) -> None:
        assert seconds < 0.004, f"slept for {seconds} s"
        real(seconds)

    monkeypatch.setattr(time, "sleep", sleep)
