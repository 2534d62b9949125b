"""Waiting for a job: until one comes, until somebody wakes us, or until the time is up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pulpo.contract.stage import PATIENCE, Stage
from pulpo.errors import QueueUnavailableError
from pulpo.job import Settlement, Verb

__all__ = ["WaitingContract"]

# So long after the start of a wait something happens elsewhere: by then it does wait.
MOMENT = 0.15


@contextmanager
def meanwhile(action: Callable[[], object]) -> Iterator[None]:
    """Do something in another thread while the block waits; its error is raised here."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            time.sleep(MOMENT)
            action()
        except BaseException as error:  # noqa: BLE001  # raised again below
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if errors:
        raise errors[0]


@contextmanager
def returns_early() -> Iterator[None]:
    """Fail where the block waited to the end of `PATIENCE`."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < PATIENCE - 1, "the wait was not ended"


class WaitingContract:
    """Tests of `timeout`, `wake` and `close`."""

    def test_without_a_timeout_nothing_is_waited_for(self, stage: Stage) -> None:
        with returns_early():
            assert stage.reserve(timeout=0.0) == []

    def test_a_wait_ends_with_its_timeout(self, stage: Stage) -> None:
        with returns_early():
            assert stage.reserve(timeout=MOMENT) == []

    def test_what_is_ready_comes_without_a_wait(self, stage: Stage) -> None:
        stage.put(stage.job("here"))

        with returns_early():
            assert len(stage.reserve(limit=5, timeout=PATIENCE)) == 1

    def test_a_wait_ends_when_a_job_is_put_by_another(self, stage: Stage) -> None:
        def publish() -> None:
            adapter = stage.engine.adapter()
            adapter.put([stage.job("new")])
            adapter.close()

        with returns_early(), meanwhile(publish):
            assert stage.text(stage.take()) == "new"

    def test_a_wait_over_several_queues_ends_with_a_job_in_any(self, stage: Stage) -> None:
        def publish() -> None:
            adapter = stage.engine.adapter()
            adapter.put([stage.job("new", queue=stage.other)])
            adapter.close()

        with returns_early(), meanwhile(publish):
            jobs = stage.reserve(queues=[stage.queue, stage.other], timeout=PATIENCE)

        assert [stage.text(job) for job in jobs] == ["new"]

    def test_a_wait_ends_when_another_owner_closes(self, stage: Stage) -> None:
        stage.put(stage.job("given back"))
        ready, close = threading.Event(), threading.Event()

        def hold() -> None:
            adapter = stage.engine.adapter()
            adapter.exchange([], [stage.queue], limit=1, timeout=PATIENCE)
            ready.set()
            close.wait(PATIENCE)
            adapter.close()

        holder = threading.Thread(target=hold)
        holder.start()
        assert ready.wait(PATIENCE)

        with returns_early(), meanwhile(close.set):
            assert stage.text(stage.take()) == "given back"
        holder.join()

    def test_a_wait_ends_when_an_owner_dies(self, stage: Stage) -> None:
        stage.put(stage.job("back"))
        victim = stage.open()
        stage.take(by=victim)
        stage.crash(victim)

        with returns_early():
            assert stage.text(stage.take()) == "back"

    def test_a_delayed_job_ends_a_wait(self, stage: Stage) -> None:
        stage.put(stage.job("due", delay=stage.tick))

        with returns_early(), meanwhile(lambda: stage.advance(stage.tick)):
            assert stage.text(stage.take()) == "due"

    def test_a_waiting_exchange_is_woken_from_another_thread(self, stage: Stage) -> None:
        with returns_early(), meanwhile(stage.owner.wake):
            assert stage.reserve(timeout=PATIENCE) == []

    def test_a_wake_before_the_wait_is_not_lost(self, stage: Stage) -> None:
        stage.owner.wake()

        with returns_early():
            assert stage.reserve(timeout=PATIENCE) == []

    def test_a_wake_is_not_used_up_by_an_exchange_that_does_not_wait(self, stage: Stage) -> None:
        stage.owner.wake()
        assert stage.reserve(timeout=0.0) == []

        with returns_early():
            assert stage.reserve(timeout=PATIENCE) == []

    def test_a_wake_ends_an_exchange_that_only_settles(self, stage: Stage) -> None:
        with returns_early(), meanwhile(stage.owner.wake):
            answers, jobs = stage.owner.exchange([], [stage.queue], limit=0, timeout=PATIENCE)

        assert (list(answers), list(jobs)) == ([], [])

    def test_an_exchange_that_only_settles_waits_no_longer_than_its_timeout(
        self, stage: Stage
    ) -> None:
        with returns_early():
            stage.owner.exchange([], [stage.queue], limit=0, timeout=MOMENT)

    def test_a_wake_is_for_one_adapter(self, stage: Stage) -> None:
        other = stage.open()
        other.wake()
        started = time.monotonic()

        assert stage.reserve(timeout=MOMENT) == []

        # Less than the timeout: clocks of engines have grains of their own.
        assert time.monotonic() - started >= MOMENT / 2

    def test_a_woken_adapter_still_works(self, stage: Stage) -> None:
        stage.owner.wake()
        stage.reserve(timeout=PATIENCE)
        stage.put(stage.job("after"))

        assert stage.drain() == ["after"]

    def test_an_owner_of_a_job_may_wait_for_another(self, stage: Stage) -> None:
        _, held = stage.running("held")

        def publish() -> None:
            adapter = stage.engine.adapter()
            adapter.put([stage.job("second")])
            adapter.close()

        with returns_early(), meanwhile(publish):
            assert stage.text(stage.take()) == "second"
        assert stage.settle(Settlement(Verb.DELETE, held)) == [True]

    def test_settlements_are_done_before_the_wait(self, stage: Stage) -> None:
        new, job = stage.running()

        def look() -> None:
            admin = stage.engine.admin()
            seen.extend(admin.peek([new.id]))
            admin.close()
            stage.owner.wake()

        seen: list[object] = []
        with meanwhile(look):
            stage.owner.exchange(
                [Settlement(Verb.DELETE, job)], [stage.queue], limit=1, timeout=PATIENCE
            )

        assert seen == [None]

    def test_closing_twice_is_closing_once(self, stage: Stage) -> None:
        adapter = stage.open()
        adapter.put([stage.job()])

        adapter.close()
        adapter.close()

    def test_an_adapter_that_was_never_used_can_be_closed(self, stage: Stage) -> None:
        stage.open().close()

    def test_a_closed_adapter_refuses_to_work(self, stage: Stage) -> None:
        adapter = stage.open()
        adapter.close()

        with pytest.raises(QueueUnavailableError, match="closed"):
            adapter.put([stage.job()])
        with pytest.raises(QueueUnavailableError, match="closed"):
            adapter.exchange([], [stage.queue], limit=1, timeout=0.0)

    def test_waking_a_closed_adapter_does_nothing(self, stage: Stage) -> None:
        adapter = stage.open()
        adapter.close()

        adapter.wake()

        assert stage.reserve() == []
