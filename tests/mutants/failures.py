"""A plugin of pytest: writes the ids of the tests that fail to a file, one a line.

Failed means that the test itself has run and said no. A test that could not be imported or set up
has seen nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["FILE"]

#: The variable of the environment that names the file.
FILE = "PULPO_FAILED_TESTS"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a failure; of several processes that test, only the one that hears of all does it."""
    if report.when == "call" and report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        with Path(os.environ[FILE]).open("a", encoding="utf-8") as file:
            file.write(report.nodeid + "\n")
