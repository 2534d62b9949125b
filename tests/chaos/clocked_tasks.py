"""The job types that keep the ledger, in a worker whose wall clock a test sets."""

from __future__ import annotations

import tests.chaos.clocks
import tests.lab.tasks  # noqa: F401  # it registers them
