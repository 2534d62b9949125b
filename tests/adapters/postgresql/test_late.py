"""An owner that comes late: what is still its own is renewed, and takes no room from others."""

from __future__ import annotations

from contextlib import closing

from pulpo.adapters import open_engine
from pulpo.clock import ManualClock
from pulpo.identity import new_id
from pulpo.job import NewJob


def test_what_is_only_renewed_does_not_count_among_what_was_asked_for(postgresql_url: str) -> None:
    clock = ManualClock()
    jobs = [NewJob(id=new_id(), type="t", queue="q", body=b"", ttr=1.0) for _ in range(6)]
    with closing(open_engine(postgresql_url, clock=clock).adapter()) as adapter:
        adapter.put(jobs)
        adapter.exchange([], ["q"], limit=2, timeout=0)
        clock.advance(1.0)

        _, taken = adapter.exchange([], ["q"], limit=3, timeout=0)

        assert [job.id for job in taken] == [job.id for job in jobs[2:5]]
        assert {job.crashes for job in taken} == {0}
        assert list(adapter.touch(taken)) == [True] * 3
