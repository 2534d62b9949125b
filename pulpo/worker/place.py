"""One worker process as its supervisor sees it, or the pause before the next one in its place.

Forks, listens, kills and counts the pauses. When a process starts and what its end means for the
worker as a whole is the supervisor's business.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from pulpo.worker.groups import GroupRow
from pulpo.worker.report import Reports
from pulpo.worker.stopping import STOPS

__all__ = ["SILENCE", "Place"]

# A process that has not beaten for so long is frozen, or a handler holds its interpreter.
SILENCE = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# A process that lived so long has started well: its successor starts at once.
LIVED = 10.0


class Place:
    """The supervisor's only thread owns it. Times are monotonic seconds."""

    def __init__(self, groups: GroupRow) -> None:
        self._groups = groups
        self._started = 0.0
        self._last_beat: float | None = None
        self._stopped_since: float | None = None
        self._pause = 0.0
        self.ended_because = ""
        self.pid = 0
        self.reports: Reports | None = None
        #: When the next process may start.
        self.start_at = 0.0
        #: Nothing is to be started here any more.
        self.done = False
        #: The process has said that its loop came to its end; `retired`: to be replaced.
        self.finished = False
        self.retired = False

    def fork(self, now: float, be_child: Callable[[int], None]) -> None:
        """Start a process that is `be_child`, which is given its end of the report pipe.

        Raises `OSError` where there is no room for a process or for a pipe.
        """
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # a full disk behind a log, a closed pipe
                stream.flush()
        # A signal that our own handler took in the new process would stop nobody.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            pid = os.fork()
            if not pid:
                _become(be_child, reading, writing)
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        self.pid, self._started, self.reports = pid, now, Reports(reading)
        self._last_beat, self._stopped_since, self.ended_because = None, None, ""
        self.finished = self.retired = False
        self._groups.add(pid)

    def forget(self) -> None:
        """In a process forked from the supervisor: close what belongs to that one."""
        if self.reports is not None:
            self.reports.close()

    def heard(self, now: float) -> list[dict[str, object]]:
        """Return what the process has told since; each word of it is a beat."""
        if self.reports is None:
            return []
        told = self.reports.read()
        if told:
            self._last_beat = now
        for facts in told:
            self.finished = self.finished or "done" in facts
            self.retired = self.retired or facts.get("retired") is True
        return told

    def changed(self, status: int, now: float) -> bool:
        """Take a status of waitpid(2): stopped, goes on, or, and then return True, ended."""
        if os.WIFSTOPPED(status):
            self._stopped_since = now
        elif os.WIFCONTINUED(status):
            self._stopped_since = None
        else:
            return True
        return False

    def silent_since(self) -> float | None:
        """Return since when nothing was heard, as far as something was to be expected.

        Before its first beat a process may load for as long as it likes; a frozen one does not.
        """
        return self._stopped_since if self._last_beat is None else self._last_beat

    def kill_silent(self, now: float) -> None:
        """Kill the process if it has not beaten for too long."""
        since = self.silent_since()
        if self.pid and since is not None and now - since > SILENCE and not self.ended_because:
            self.ended_because = f"killed: no beat for {SILENCE:g}s"
            self.kill()

    def tell(self, number: int) -> None:
        """Send the process a signal, without its group."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process with everything that its handlers have started."""
        if self.pid:
            # It may be so young that it has not made its group yet.
            self.tell(signal.SIGKILL)
            self._groups.kill()
            self._groups.add(self.pid)

    def bury(self) -> None:
        """Clear away a process that has ended: what its handlers started must not outlive it."""
        self._groups.kill()
        if self.reports is not None:
            self.reports.close()
            self.reports = None
        self.pid = 0

    def plan_next(self, now: float, *, at_once: bool) -> None:
        """Say when the next process starts here: later each time that one soon died."""
        if at_once:
            self._pause = 0.0
        else:
            pause = 0.0 if now - self._started > LIVED else self._pause
            self._pause = min(max(pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
        self.start_at = now + self._pause

    def why_it_ended(self, code: int) -> str:
        """Return the reason for the end of the process, by its exit code or minus its signal."""
        if self.ended_because:
            return self.ended_because
        if code >= 0:
            return f"exit code {code}"
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"


def _become(be_child: Callable[[int], None], reading: int, writing: int) -> None:
    """Be the new process; whatever is raised here must not go on as a second supervisor."""
    try:
        os.close(reading)
        be_child(writing)
    finally:
        os._exit(1)
