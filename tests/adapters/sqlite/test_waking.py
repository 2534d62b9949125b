"""Waking a job that was put aside: as a kick, but nobody waits for the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulpo.adapter import WakesUp
from pulpo.adapters import open_engine
from pulpo.adapters.sqlite.admin import SQLiteAdmin
from pulpo.identity import new_id
from pulpo.job import Act, Change, JobState, NewJob, Sighting


@pytest.mark.parametrize("synced", [True, False])
def test_a_job_is_woken_without_a_sync_and_kicked_with_one(tmp_path: Path, synced: bool) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/queue.db")
    adapter, admin = engine.adapter(), engine.admin()
    assert isinstance(admin, SQLiteAdmin)
    assert isinstance(admin, WakesUp)
    late, soon = (
        NewJob(id=new_id(), type="t", queue="q", body=b"", delay=delay) for delay in (60.0, 0.0)
    )
    adapter.put([late, soon])
    seen = [job.sighting for job in admin.list("q")]
    seen += [Sighting("nobody", 99, "q")]
    pragmas: list[str] = []
    admin._database.connection.set_trace_callback(pragmas.append)
    admin._database._synchronous_now = not synced

    if synced:
        answers = admin.change([Change(Act.KICK, job) for job in seen])
    else:
        answers = admin.wake_up(seen)

    assert dict(zip([job.id for job in seen], answers, strict=True)) == {
        late.id: True,
        soon.id: False,
        "nobody": False,
    }
    assert f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}" in pragmas
    assert {job.state for job in admin.list("q")} == {JobState.READY}
    adapter.close()
    admin.close()
