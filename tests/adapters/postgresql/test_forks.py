"""A forked child has connections of its own, and ends none of its parent's."""

from __future__ import annotations

import os
from contextlib import closing

from pulpo.adapter import QueueAdapter
from pulpo.adapters import open_engine
from pulpo.identity import new_id
from pulpo.job import NewJob, Settlement, Verb


def job() -> NewJob:
    return NewJob(id=new_id(), type="t", queue="q", body=b"x")


def in_a_child(adapter: QueueAdapter) -> int:
    """Put a job and reserve whatever is there in a forked child; return its exit code."""
    child = os.fork()
    if not child:
        code = 1
        try:
            adapter.put([job()])
            _, jobs = adapter.exchange([], ["q"], limit=5, timeout=0)
            adapter.close()
            code = 10 + len(jobs)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_child_takes_nothing_of_its_parent_and_the_parent_goes_on(postgresql_url: str) -> None:
    with closing(open_engine(postgresql_url).adapter()) as adapter:
        adapter.put([job()])
        _, (held,) = adapter.exchange([], ["q"], limit=5, timeout=0)

        assert in_a_child(adapter) == 11  # its own, which it gives back

        assert list(adapter.touch([held])) == [True]
        _, jobs = adapter.exchange([Settlement(Verb.DELETE, held)], ["q"], limit=5, timeout=0)
        assert len(jobs) == 1


def test_a_child_that_does_nothing_ends_nothing(postgresql_url: str) -> None:
    with closing(open_engine(postgresql_url).adapter()) as adapter:
        adapter.put([job()])
        _, (held,) = adapter.exchange([], ["q"], limit=5, timeout=0)
        pid = adapter._link.connection.info.backend_pid  # type: ignore[attr-defined]
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)

        assert adapter.exchange([Settlement(Verb.DELETE, held)], [], limit=0, timeout=0)[0] == [
            True
        ]
        assert adapter._link.connection.info.backend_pid == pid  # type: ignore[attr-defined]
