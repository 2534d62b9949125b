"""The supervisor: keeps worker processes alive, and is their lease.

It runs no user code and opens no queue, so it can always be forked from and has no reason to die.
A process that stops beating is killed with its whole group: its sockets and locks close, and its
jobs are ready elsewhere at once. Should it be killed itself, the guardian does the rest.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from pulpo.clock import Clock, SystemClock
from pulpo.system import SharedMoment
from pulpo.worker.banner import banner
from pulpo.worker.board import Board
from pulpo.worker.child import NEIGHBOUR_DIED, run_child
from pulpo.worker.groups import Groups
from pulpo.worker.guardian import Guardian
from pulpo.worker.http_server import HttpServer
from pulpo.worker.journal import Journal
from pulpo.worker.place import Place
from pulpo.worker.settings import WorkerParts, WorkerSettings
from pulpo.worker.stopping import SHOW, STOPS, StopSignals

__all__ = ["supervise"]

# Beyond the grace: for settling the last jobs and closing.
FAREWELL = 2.0
# Before the next try where the system has no room for another process.
NO_ROOM = 1.0
_CHANGES = os.WNOHANG | os.WUNTRACED | os.WCONTINUED


def supervise(
    load: Callable[[], WorkerParts],
    settings: WorkerSettings,
    *,
    processes: int,
    also: Sequence[Callable[[], WorkerParts]] = (),
    http: socket.socket | None = None,
) -> int:
    """Run worker processes until a signal, or in a burst until all are done; return the exit code.

    `load` is called in each process after its start; each one in `also` has as many processes of
    its own, for another queue. `http` is a listening socket, to answer those who watch the worker.
    Must be called in the main thread of a process without other threads.
    """
    loads = [each for each in (load, *also) for _ in range(processes)]
    return _Supervisor(loads, settings, SystemClock(), http).run()


class _Supervisor:
    def __init__(
        self,
        loads: Sequence[Callable[[], WorkerParts]],
        settings: WorkerSettings,
        clock: Clock,
        http: socket.socket | None,
    ) -> None:
        self._loads = loads
        self._settings = replace(settings, deployed=clock.wall())
        self._clock = clock
        self._journal = Journal(clock, format=settings.log_format)
        self._groups = Groups(len(loads), settings.threads)
        self._places = [Place(self._groups.row(number)) for number in range(len(loads))]
        self._board = Board(settings)
        self._http = None if http is None else HttpServer(http, self._board.answer, clock)
        self._guardian = Guardian(self._groups)
        self._guard_at = 0.0
        self._signals = StopSignals(clock)
        self._announced: set[object] = set()
        self._stop_until: float | None = None
        self._exit_code = 0
        self._last_death = SharedMoment()
        self._pid = os.getpid()

    def run(self) -> int:
        self._signals.listen()
        if self._http is not None:
            self._journal.say("INFO", "serving", url=self._http.url)
        try:
            while not self._is_over():
                self._guard()
                self._start_missing()
                self._listen()
                self._reap()
                self._kill_silent()
                self._heed_signals()
        finally:
            for place in self._places:
                place.kill()
            self._guardian.dismiss()
            self._signals.bell.close()
            if self._http is not None:
                self._http.close()
        if self._stopping:
            self._journal.say("INFO", "stopped")
        return self._exit_code

    def _is_over(self) -> bool:
        return all(place.done or (self._stopping and not place.pid) for place in self._places)

    @property
    def _stopping(self) -> bool:
        return self._stop_until is not None

    def _guard(self) -> None:
        """Make sure that there is a guardian; without room for one the work goes on."""
        now = self._clock.monotonic()
        if self._guardian.lives() or now < self._guard_at:
            return
        self._guard_at = now + NO_ROOM
        try:
            self._guardian.start()
        except OSError as error:
            self._journal.say("WARNING", "unguarded", reason=f"no room for the guardian: {error}")

    def _start_missing(self) -> None:
        now = self._clock.monotonic()
        for number, place in enumerate(self._places):
            if place.pid or place.done or self._stopping or now < place.start_at:
                continue
            try:
                place.fork(now, partial(self._be_child, number))
                self._board.begins(place)
            except OSError as error:
                place.start_at = now + NO_ROOM
                self._journal.say("ERROR", "waiting", reason=f"no room for a process: {error}")

    def _be_child(self, number: int, report_fd: int) -> None:
        """In a new process: close what belongs to the supervisor and to the others, and work."""
        self._signals.forget()
        self._guardian.forget()
        if self._http is not None:
            self._http.close()
        for place in self._places:
            place.forget()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        groups = self._groups.row(number)
        # One looks for all of them how many jobs wait.
        settings = replace(self._settings, counts_queues=self._settings.watched and not number)
        run_child(self._loads[number], settings, report_fd, self._pid, self._last_death, groups)

    def _listen(self) -> None:
        """Wait for reports, for a signal or for the next thing to do."""
        poll = select.poll()
        poll.register(self._signals.bell.fileno(), select.POLLIN)
        if self._guardian.fileno() >= 0:
            poll.register(self._guardian.fileno(), select.POLLIN)
        by_fd = {}
        for place in self._places:
            if place.reports is not None:
                poll.register(place.reports.fd, select.POLLIN)
                by_fd[place.reports.fd] = place
        if self._http is not None:
            self._http.wait_in(poll)
        for fd, _ in poll.poll(self._pause() * 1000):
            if fd in by_fd:
                self._take_reports(by_fd[fd])
            elif self._http is not None:
                self._http.serve(fd)
        self._signals.bell.silence()

    def _pause(self) -> float:
        if self._stopping:
            return 1.0
        now = self._clock.monotonic()
        starts = [p.start_at - now for p in self._places if not p.pid and not p.done]
        return max(min([1.0, *starts]), 0.0)

    def _take_reports(self, place: Place) -> None:
        for facts in place.heard(self._clock.monotonic()):
            self._board.hear(place, facts)
            if "load_error" in facts:
                self._not_loaded(place, facts)
            ready = facts.get("ready")
            if isinstance(ready, dict) and ready.get("engine") not in self._announced:
                self._announced.add(ready.get("engine"))
                alike = self._loads.count(self._loads[self._places.index(place)])
                fields = banner(ready, self._settings, alike)
                self._journal.say("INFO", "started", **fields)

    def _not_loaded(self, place: Place, facts: dict[str, object]) -> None:
        """End where a restart would not mend it; in the middle of a deploy it may."""
        shown, code = str(facts["load_error"]), facts["exit_code"]
        if self._announced and not facts.get("final"):
            place.ended_because = shown.rstrip().rpartition("\n")[2]
            return
        if not self._exit_code:
            with suppress(OSError, ValueError):
                sys.stderr.write(shown.rstrip() + "\n")
                sys.stderr.flush()
            self._exit_code = code if isinstance(code, int) else 1
        for other in self._places:
            other.done = True
            other.kill()

    def _reap(self) -> None:
        """See what has become of our processes, and of orphans where we are a container's first."""
        by_pid = {place.pid: place for place in self._places if place.pid}
        while True:
            try:
                pid, status = os.waitpid(-1, _CHANGES)
            except ChildProcessError:
                return
            if not pid:
                return
            place = by_pid.get(pid)
            if place is not None and place.changed(status, self._clock.monotonic()):
                self._bury_process(place, os.waitstatus_to_exitcode(status))

    def _bury_process(self, place: Place, code: int) -> None:
        self._take_reports(place)
        pid = place.pid
        place.bury()
        self._board.ends(place, died=not (place.finished or place.done or self._stopping))
        if place.finished and self._settings.burst and not place.retired:
            place.done = True
        if place.done or self._stopping:
            return
        now = self._clock.monotonic()
        if not place.finished:
            self._last_death.set(now)
            reason = f"{place.why_it_ended(code)}; its jobs go back"
            self._journal.say("ERROR", "died", pid=pid, reason=reason)
            for other in self._places:
                other.tell(NEIGHBOUR_DIED)
        place.plan_next(now, at_once=place.finished)  # it retired: it has said why

    def _kill_silent(self) -> None:
        now = self._clock.monotonic()
        for place in self._places:
            place.kill_silent(now)

    def _heed_signals(self) -> None:
        now = self._clock.monotonic()
        if self._signals.show:
            self._signals.show = False
            for place in self._places:
                place.tell(SHOW)
        if self._signals.count and not self._stopping:
            self._stop_until = now + self._settings.grace + FAREWELL
            self._board.is_stopping = True
            self._journal.say("INFO", "stopping", grace=f"{self._settings.grace:g}s")
            for place in self._places:
                place.done = place.done or not place.pid
                place.tell(signal.SIGTERM)
        if self._stop_until is not None and (self._signals.count > 1 or now > self._stop_until):
            for place in self._places:
                place.kill()
