"""Many doors to one file: threads, forks, workers that come and go, and what a job then costs."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pulpo.adapters.sqlite import owners
from pulpo.adapters.sqlite import statements as sql
from pulpo.adapters.sqlite.adapter import SQLiteAdapter
from pulpo.adapters.sqlite.admin import SQLiteAdmin
from pulpo.adapters.sqlite.database import Ready
from pulpo.adapters.sqlite.rows import Moment, due, row
from pulpo.clock import ManualClock
from pulpo.errors import QueueUnavailableError
from pulpo.system import wait_any
from tests.adapters.sqlite.conftest import Open
from tests.adapters.sqlite.jobs import bodies, delete, new, put, reserve


def rings(adapter: SQLiteAdapter) -> bool:
    bell = adapter._trader.membership.bell()
    assert bell is not None
    return bool(wait_any([bell.fileno()], 0)[0])


def in_a_child(work: Callable[[], object], meanwhile: Callable[[], object] | None = None) -> int:
    """Run something in a forked child; return the child's exit code."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    if meanwhile is not None:
        meanwhile()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_eight_threads_publish_and_run_every_job_once(
    open_adapter: Open, admin: SQLiteAdmin
) -> None:
    gate, done, errors = threading.Barrier(8), list[bytes](), list[Exception]()

    def work(adapter: SQLiteAdapter, number: int) -> None:
        try:
            gate.wait()
            for turn in range(40):
                put(adapter, *[new(b"%d-%d-%d" % (number, turn, n)) for n in range(5)])
                jobs = reserve(adapter, 5)
                assert delete(adapter, jobs) == [True] * len(jobs)
                done.extend(bodies(jobs))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(open_adapter(), n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = open_adapter()
    rest = reserve(last, 2_000)

    assert errors == []
    assert sorted(done + bodies(rest)) == sorted(
        b"%d-%d-%d" % (number, turn, n)
        for number in range(8)
        for turn in range(40)
        for n in range(5)
    )
    assert admin.stats("default").reserved == len(rest)


def test_a_fork_waits_for_the_end_of_a_transaction_in_another_thread(
    open_adapter: Open, admin: SQLiteAdmin, clock: ManualClock
) -> None:
    adapter, begun, may_end = open_adapter(), threading.Event(), threading.Event()
    parents, done = new(b"the parent's"), list[str]()

    def insert(connection: sqlite3.Connection, _: Ready) -> None:
        connection.execute(sql.INSERT, row(parents, due(parents, Moment.now(clock))))
        begun.set()
        may_end.wait(10)
        done.append("transaction")

    writer = threading.Thread(target=lambda: adapter._database.write(insert, synced=True))
    writer.start()
    assert begun.wait(10)
    threading.Timer(0.1, may_end.set).start()

    assert in_a_child(lambda: put(adapter, new(b"the child's"))) == 0
    writer.join()

    assert done == ["transaction"]
    assert adapter._database.read("PRAGMA integrity_check") == [("ok",)]
    assert bodies(reserve(adapter, 9)) == [b"the parent's", b"the child's"]


def test_a_child_loses_nothing_when_its_parent_lets_go_of_the_file(open_adapter: Open) -> None:
    parent = open_adapter()
    put(parent, new(b"parent's"))
    has_put, put_one = os.pipe()
    may_go_on, go_on = os.pipe()

    def child() -> None:
        put(parent, new(b"first"))
        os.write(put_one, b".")
        os.read(may_go_on, 1)
        put(parent, new(b"second"))

    def let_go() -> None:
        assert wait_any([has_put], 10)[0]
        parent.close()
        os.write(go_on, b".")

    # The parent was the last to have it open, so far as SQLite knew: it would remove the log.
    assert in_a_child(child, meanwhile=let_go) == 0
    for fd in (has_put, put_one, may_go_on, go_on):
        os.close(fd)

    assert bodies(reserve(open_adapter(), 9)) == [b"parent's", b"first", b"second"]


def test_a_parent_goes_on_after_a_fork_with_what_it_holds(
    open_adapter: Open, admin: SQLiteAdmin
) -> None:
    adapter = open_adapter()
    put(adapter, new(b"held"), new(b"next"))
    (held,) = reserve(adapter)
    number = adapter._trader.membership.number

    assert in_a_child(adapter.close) == 0

    assert admin.stats("default").reserved == 1
    assert list(adapter.touch([held])) == [True]
    assert delete(adapter, [held]) == [True]
    assert bodies(reserve(adapter)) == [b"next"]
    assert adapter._trader.membership.number == number


def test_a_file_that_went_away_during_a_fork_is_not_made_anew(
    path: Path, adapter: SQLiteAdapter
) -> None:
    put(adapter, new())

    assert in_a_child(path.unlink) == 0

    with pytest.raises(QueueUnavailableError, match="removed"):
        adapter.put([new()])
    assert not path.exists()


def test_a_child_that_inherits_a_transaction_says_so_and_accepts_nothing(
    adapter: SQLiteAdapter, clock: ManualClock
) -> None:
    parents = new(b"the parent's")
    put(adapter, new())
    codes: list[int] = []

    def refused() -> None:
        with pytest.raises(QueueUnavailableError, match="was forked while its parent wrote"):
            adapter.put([new()])

    def insert_and_fork(connection: sqlite3.Connection, _: Ready) -> None:
        connection.execute(sql.INSERT, row(parents, due(parents, Moment.now(clock))))
        codes.append(in_a_child(refused))

    adapter._database.write(insert_and_fork, synced=True)

    assert codes == [0]
    assert adapter._database.read("PRAGMA integrity_check") == [("ok",)]
    assert bodies(reserve(adapter, 9)) == [b"a job", b"the parent's"]


def test_who_leaves_does_not_take_the_doorbell_of_who_got_its_place(open_adapter: Open) -> None:
    leaving, coming = open_adapter(), open_adapter()
    publisher = open_adapter()
    reserve(leaving, timeout=0.001)
    membership = leaving._trader.membership
    give_back: Callable[..., None] = membership._give_back

    def give_back_slowly(owner: owners.Owner) -> None:
        give_back(owner)
        reserve(coming, timeout=0.001)  # in this moment another gets the place that is free now

    membership._give_back = give_back_slowly  # type: ignore[method-assign]
    leaving.close()
    bell = coming._trader.membership.bell()
    assert bell is not None
    bell.listen(["default"])
    put(publisher, new())

    assert rings(coming)


def test_a_ring_for_another_job_than_the_one_that_was_found_is_passed_on(
    open_adapter: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher, first, second = open_adapter(), open_adapter(), open_adapter()
    reserve(first, timeout=0.001)
    reserve(second, timeout=0.001)
    look = first._trader.look

    def nothing_yet(queues: list[str]) -> object:
        found = look(queues)
        put(publisher, new(b"one"))  # nobody listens in this moment, so nobody is rung
        return found

    def listening(queues: list[str]) -> object:
        second_bell = second._trader.membership.bell()
        assert second_bell is not None
        second_bell.listen(queues)
        put(publisher, new(b"two"))  # rings at the first door only
        assert [rings(first), rings(second)] == [True, False]
        return look(queues)

    looks = iter([nothing_yet, listening])
    monkeypatch.setattr(first._trader, "look", lambda queues: next(looks, look)(queues))

    assert bodies(reserve(first, timeout=5)) == [b"one"]
    assert rings(second)


def test_who_cannot_be_asked_keeps_its_jobs(
    open_adapter: Open, admin: SQLiteAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, other = open_adapter(), open_adapter()
    put(holder, new())
    (job,) = reserve(holder)

    def too_many_open_files(path: Path) -> bool:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(owners, "is_locked", too_many_open_files)

    assert reserve(other) == ()
    assert admin.stats("default").reserved == 1
    assert delete(holder, [job]) == [True]


def test_a_claim_costs_the_same_however_many_jobs_there_are(
    adapter: SQLiteAdapter, admin: SQLiteAdmin
) -> None:
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    def cost(verb: Callable[[], object]) -> int:
        steps[0] = 0
        verb()
        return steps[0]

    def one_job() -> None:
        assert delete(adapter, reserve(adapter)) == [True]

    def costs() -> list[int]:
        look = cost(lambda: reserve(adapter, queues=["empty"]))
        run = cost(one_job)
        put_one = cost(lambda: put(adapter, new()))
        peek = cost(lambda: admin.peek([known.id]))
        kick = cost(lambda: admin.kick([known.id]))
        return [look, run, put_one, peek, kick]

    known = new()
    for door in (adapter, admin):
        door._database.connection.set_progress_handler(count, 1)

    def fill(jobs: int) -> None:
        put(adapter, *[new() for _ in range(jobs)])
        put(adapter, *[new(delay=1_000.0) for _ in range(jobs)])
        put(adapter, *[new(queue="other") for _ in range(jobs)])

    put(adapter, known)
    fill(50)
    costs()
    few = costs()
    fill(3_000)
    many = costs()

    assert all(small > 0 for small in few)
    assert [large <= 1.2 * small + 20 for small, large in zip(few, many, strict=True)] == [True] * 5
