"""The supervisor: keeps worker processes alive, and is their lease.

It runs no user code and opens no queue, so it can always be forked from and has no reason to die.
A process that stops beating is killed with its whole group: its sockets and locks close, and its
jobs are ready elsewhere at once.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from pulpo.clock import Clock, SystemClock
from pulpo.system import SharedMoment, Waker, kill_group
from pulpo.worker.banner import banner
from pulpo.worker.child import run_child
from pulpo.worker.journal import Journal
from pulpo.worker.report import Reports
from pulpo.worker.settings import WorkerParts, WorkerSettings

__all__ = ["supervise"]

# A process that has not beaten for so long is frozen, or a handler holds its interpreter.
SILENCE = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# A process that lived so long has started well: its successor starts at once.
LIVED = 10.0
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Signals so close together, in seconds, are one.
SAME_SIGNAL = 0.1
# Beyond the grace: for settling the last jobs and closing.
FAREWELL = 2.0


def supervise(load: Callable[[], WorkerParts], settings: WorkerSettings, *, processes: int) -> int:
    """Run worker processes until a signal, or in a burst until all are done; return the exit code.

    `load` is called in each process after its start. Must be called in the main thread of a
    process without other threads.
    """
    return _Supervisor(load, settings, processes, SystemClock()).run()


@dataclass(slots=True)
class _Place:
    """One worker process, or the pause before the next in its place."""

    pid: int = 0
    reports: Reports | None = None
    started: float = 0.0
    last_beat: float | None = None
    pause: float = 0.0
    start_at: float = 0.0
    done: bool = False
    finished: bool = False
    retired: bool = False
    killed_because: str = ""


class _Signals:
    """How often we were told to stop: a second time means now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first: float | None = None
        self.bell = Waker()
        self.count = 0

    def listen(self) -> None:
        for number in STOPS:
            signal.signal(number, self._heard)
        signal.signal(signal.SIGCHLD, lambda *_: self.bell.ring())

    def _heard(self, *_: object) -> None:
        now = self._clock.monotonic()
        # timeout(1), shells and terminals tell a process and then its whole group: that is once.
        if self._first is None or now - self._first > SAME_SIGNAL:
            self.count += 1
        self._first = now if self._first is None else self._first
        self.bell.ring()


class _Supervisor:
    def __init__(
        self,
        load: Callable[[], WorkerParts],
        settings: WorkerSettings,
        processes: int,
        clock: Clock,
    ) -> None:
        self._load = load
        self._settings = settings
        self._clock = clock
        self._journal = Journal(clock, format=settings.log_format)
        self._places = [_Place() for _ in range(processes)]
        self._signals = _Signals(clock)
        self._announced = False
        self._stop_until: float | None = None
        self._exit_code = 0
        self._last_death = SharedMoment()

    def run(self) -> int:
        self._signals.listen()
        try:
            while not self._is_over():
                self._start_missing()
                self._listen()
                self._reap()
                self._kill_silent()
                self._heed_signals()
        finally:
            for place in self._places:
                if place.pid:
                    kill_group(place.pid, signal.SIGKILL)
            self._signals.bell.close()
        if self._stopping:
            self._journal.say("INFO", "stopped")
        return self._exit_code

    def _is_over(self) -> bool:
        return all(place.done or (self._stopping and not place.pid) for place in self._places)

    @property
    def _stopping(self) -> bool:
        return self._stop_until is not None

    def _start_missing(self) -> None:
        now = self._clock.monotonic()
        for place in self._places:
            if not place.pid and not place.done and not self._stopping and now >= place.start_at:
                self._start(place, now)

    def _start(self, place: _Place, now: float) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        supervisor = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal that our own handler took in the new process would stop nobody.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        pid = os.fork()
        if not pid:
            os.close(reading)
            self._forget_siblings()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            run_child(self._load, self._settings, writing, supervisor, self._last_death)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        os.close(writing)
        place.pid, place.started, place.last_beat = pid, now, None
        place.reports, place.killed_because = Reports(reading), ""
        place.finished = place.retired = False

    def _forget_siblings(self) -> None:
        """In a new process: close what belongs to the supervisor and to the other processes."""
        for number in (*STOPS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        self._signals.bell.close()
        for place in self._places:
            if place.reports is not None:
                place.reports.close()

    def _listen(self) -> None:
        """Wait for reports, for a signal or for the next thing to do."""
        poll = select.poll()
        poll.register(self._signals.bell.fileno(), select.POLLIN)
        by_fd = {}
        for place in self._places:
            if place.reports is not None:
                poll.register(place.reports.fd, select.POLLIN)
                by_fd[place.reports.fd] = place
        for fd, _ in poll.poll(self._pause() * 1000):
            if fd in by_fd:
                self._take_reports(by_fd[fd])
        self._signals.bell.silence()

    def _pause(self) -> float:
        if self._stopping:
            return 1.0
        now = self._clock.monotonic()
        starts = [p.start_at - now for p in self._places if not p.pid and not p.done]
        return max(min([1.0, *starts]), 0.0)

    def _take_reports(self, place: _Place) -> None:
        assert place.reports is not None
        for facts in place.reports.read():
            place.last_beat = self._clock.monotonic()
            if "load_error" in facts:
                self._refuse(str(facts["load_error"]), facts["exit_code"])
            place.finished = place.finished or "done" in facts
            place.retired = place.retired or facts.get("retired") is True
            ready = facts.get("ready")
            if isinstance(ready, dict) and not self._announced:
                self._announced = True
                fields = banner(ready, self._settings, len(self._places))
                self._journal.say("INFO", "started", **fields)

    def _refuse(self, shown: str, code: object) -> None:
        """End, since the user's code cannot be loaded: a restart would not mend it."""
        if not self._exit_code:
            sys.stderr.write(shown.rstrip() + "\n")
            self._exit_code = code if isinstance(code, int) else 1
        for place in self._places:
            place.done = True
            if place.pid:
                kill_group(place.pid, signal.SIGKILL)

    def _reap(self) -> None:
        for place in self._places:
            if not place.pid:
                continue
            pid, status = os.waitpid(place.pid, os.WNOHANG)
            if pid:
                self._bury_process(place, os.waitstatus_to_exitcode(status))

    def _bury_process(self, place: _Place, code: int) -> None:
        if place.reports is not None:
            self._take_reports(place)
            place.reports.close()
            place.reports = None
        # What its handlers started must not outlive it: it may hold what the job locked.
        kill_group(place.pid, signal.SIGKILL)
        pid, place.pid = place.pid, 0
        if place.finished and self._settings.burst and not place.retired:
            place.done = True
        if place.done or self._stopping:
            return
        lived = self._clock.monotonic() - place.started
        if place.finished:
            place.pause = 0.0  # it retired: a thread of it was stuck
        else:
            place.pause = 0.0 if lived > LIVED else place.pause
            place.pause = min(max(place.pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            self._last_death.set(self._clock.monotonic())
            why = place.killed_because or _ended_by(code)
            self._journal.say("ERROR", "died", pid=pid, reason=f"{why}; its jobs go back")
        place.start_at = self._clock.monotonic() + place.pause

    def _kill_silent(self) -> None:
        now = self._clock.monotonic()
        for place in self._places:
            beat = place.last_beat
            if place.pid and beat is not None and now - beat > SILENCE:
                place.killed_because = f"killed: no beat for {SILENCE:g}s"
                place.last_beat = None
                kill_group(place.pid, signal.SIGKILL)

    def _heed_signals(self) -> None:
        now = self._clock.monotonic()
        if self._signals.count and not self._stopping:
            self._stop_until = now + self._settings.grace + FAREWELL
            self._journal.say("INFO", "stopping", grace=f"{self._settings.grace:g}s")
            for place in self._places:
                place.done = place.done or not place.pid
                if place.pid:
                    os.kill(place.pid, signal.SIGTERM)
        if self._stop_until is not None and (self._signals.count > 1 or now > self._stop_until):
            for place in self._places:
                if place.pid:
                    kill_group(place.pid, signal.SIGKILL)


def _ended_by(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"
