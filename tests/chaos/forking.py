"""Handlers that fork; loaded by the workers of row O2 beside the types of the ledger."""

from __future__ import annotations

import os
import time

import pulpo
from tests.lab.tasks import LEDGER, note

__all__ = ["note"]


@pulpo.job(type="forking.publishes")
def publishes() -> None:
    """Fork a child that publishes, and wait for it."""
    run = pulpo.current_job()
    LEDGER.note("begun", run.id, attempt=run.attempt)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            message = pulpo.Message(type="ledger.note", body={})
            LEDGER.note("attempted", message.id)
            LEDGER.note("accepted", pulpo.publish(message).id)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0, "the child failed"
    LEDGER.note("done", run.id, attempt=run.attempt)


@pulpo.job(type="forking.lingers")
def lingers() -> None:
    """Fork a child that outlives everybody, also who ends the process group."""
    pid = os.fork()
    if not pid:
        os.setsid()
        time.sleep(120)
        os._exit(0)
    LEDGER.note("begun", pulpo.current_job().id, child=pid)
    time.sleep(60)
