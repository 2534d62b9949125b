"""In which order jobs are handed over that come by two connections."""

from __future__ import annotations

import contextlib
import threading
import time

from pulpo.adapters.beanstalkd import BeanstalkdEngine
from pulpo.clock import SystemClock
from pulpo.queue_url import QueueURL
from tests.adapters.beanstalkd.scripted import ScriptedServer


def test_a_job_of_the_waiting_connection_comes_before_those_polled_for_after_it() -> None:
    waits, polled = threading.Event(), threading.Event()
    later = iter((2, 3))

    def answer(_: int, command: bytes) -> bytes:
        if command.startswith(b"reserve-with-timeout 1"):
            polled.wait(10)
            return b"RESERVED 1 1\r\nx\r\n"
        if command.startswith(b"reserve-with-timeout 0"):
            if not waits.is_set():
                return b"TIMED_OUT\r\n"
            polled.set()
            time.sleep(0.1)  # until the other answer, which a server gives first, is there
            return b"RESERVED %d 1\r\nx\r\n" % next(later)
        return b"NOT_FOUND\r\n"

    with ScriptedServer(answer) as server:
        engine = BeanstalkdEngine(QueueURL.parse(server.url), clock=SystemClock())
        with contextlib.closing(engine.adapter()) as adapter:
            adapter.exchange([], ["default"], limit=1, timeout=0.0)
            adapter.exchange([], ["default"], limit=1, timeout=0.02)
            waits.set()

            _, first = adapter.exchange([], ["default"], limit=1, timeout=0.0)
            _, second = adapter.exchange([], ["default"], limit=1, timeout=0.0)

    assert [job.number for job in (*first, *second)] == [1, 2]
