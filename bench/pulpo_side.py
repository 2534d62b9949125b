"""pulpo as it is measured: the public API and the worker, as users have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pulpo
from bench.crew import Crew, run_embedded, run_processes
from bench.jobs import MARKS, NOOP, SLEEP_ASYNC
from bench.marks import Marks
from bench.place import Place
from bench.sides import CHUNK, Send, Staff

__all__ = ["PulpoSide"]

_PUBLISH = """\
import pulpo
pulpo.publish(pulpo.Message(type="bench.noop", body={"number": 0}))
"""
_DELAY = """\
import pulpo
@pulpo.job(type="bench.noop")
def noop(number): ...
noop.delay(0)
"""


class PulpoSide:
    """One queue, reached as a user's code would."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._app = pulpo.Pulpo(place.url)
        self._stamp: Callable[[int], object] = _not_here

    def _job(self, kind: str) -> pulpo.JobFunction[[int], None]:
        def run(number: int) -> None:
            self._stamp(number)

        return self._app.job(type=f"bench.{kind}")(run)

    @contextmanager
    def sender(
        self,
        n: int,  # noqa: ARG002  # the bare side needs it
        *,
        job: str = NOOP,
        urgent: bool = False,
    ) -> Iterator[Send]:
        function = self._job(job)
        yield function.using(priority=0).delay if urgent else function.delay

    def batches(
        self, start: int, n: int, *, job: str = NOOP, delay: float = 0
    ) -> Callable[[], None]:
        function = self._job(job)
        if delay:
            function = function.using(delay=delay)
        calls = [(number,) for number in range(start, start + n)]
        chunks = [calls[first : first + CHUNK] for first in range(0, n, CHUNK)]

        def send() -> None:
            for chunk in chunks:
                function.delay_many(chunk)

        return send

    def workers(self, marks: Path, staff: Staff) -> AbstractContextManager[Crew]:
        log = self._place.folder / "worker.log"
        if self._place.engine == "memory":
            self._stamp = Marks.open(marks).stamp
            return run_embedded(self._app.start_worker, log)
        # The address is a part of the command, so that a crew can be told from all others.
        command = ["pulpo", "worker", f"bench.jobs.{staff.job}", "--url", self._place.url]
        if staff.processes is not None:
            command += ["--processes", str(staff.processes)]
        if staff.slots is not None:
            slots = "--async-slots" if staff.job == SLEEP_ASYNC else "--threads"
            command += [slots, str(staff.slots)]
        return run_processes([command], log, {MARKS: str(marks)})

    def producer(self) -> tuple[str, str]:
        return "pulpo", self._place.url

    def first_put(self, *, decorated: bool) -> str:
        return _DELAY if decorated else _PUBLISH

    def close(self) -> None:
        self._app.close()


def _not_here(number: int) -> None:
    raise RuntimeError(f"job {number} was to run in a process of its own")
