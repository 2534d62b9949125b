"""Running suspects, each alone in a process of its own, while this process holds the reservation.

A job whose worker died under it twice may be the one that kills, or may have stood beside it. Here
it shares its process with nobody: if it dies, it was the job. A process that lives is kept for the
next suspect; only a death in a freshly started one is a verdict. What happens inside is in
`sandbox.py`.
"""

from __future__ import annotations

import select
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from pulpo.clock import Clock
from pulpo.duration import as_text
from pulpo.errors import JobTimeoutError
from pulpo.run import Run
from pulpo.system import kill_group
from pulpo.worker.decide import RELEASED, Raised, Verdict, bounce, decide, killed_its_process
from pulpo.worker.groups import GroupRow
from pulpo.worker.sandbox import as_verdict, read_frame, write_frame

__all__ = ["Isolation", "Judgement"]

# How long the user's code may take to load.
_LONGEST_START = 120.0
# How often somebody looks whether the process of a suspect lives, in seconds.
_LOOK = 0.25


class Judgement(NamedTuple):
    """What a suspect's run came to: a verdict already, since only the sandbox saw the error."""

    verdict: Verdict


class Isolation:
    """The sandboxes of one worker process.

    `take` and `end` are the loop's; what `take` sets to be called runs in the pool's threads.
    """

    def __init__(self, command: Sequence[str], clock: Clock, groups: GroupRow) -> None:
        self._command = tuple(command)
        self._groups = groups
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[_Sandbox] = []
        self._all: set[_Sandbox] = set()
        self._ended = False

    def take(self, run: Run, delay_unit: float) -> None:
        """Let a run happen in a sandbox, in place of its own call."""
        run.isolated = True
        run.call = partial(self._run, run, delay_unit)

    def _run(self, run: Run, delay_unit: float) -> Judgement:
        """Run one suspect to its end, whatever that is; raises nothing."""
        while True:
            with self._lock:
                box, fresh = (self._idle.pop(), False) if self._idle else (None, True)
            try:
                box = box or self._start()
                answer = box.ask(run, delay_unit, run.job_type.timeout)
            except (OSError, ValueError) as error:
                if self._ended:
                    return Judgement(RELEASED)
                return Judgement(self._not_now(run, f"no process for a suspect: {error}"))
            if isinstance(answer, Verdict):
                with self._lock:
                    self._idle.append(box)
                return Judgement(answer)
            with self._lock:
                self._all.discard(box)
                ended = self._ended
            code = box.end()
            if ended:
                return Judgement(RELEASED)
            if answer is _OVER_TIME:
                return Judgement(_timed_out(run, delay_unit))
            if fresh:
                # Only what this job did can have killed a process that ran nothing else.
                policy = run.job_type.policy
                verdict = killed_its_process(run.envelope, code, policy, at_least=delay_unit)
                return Judgement(verdict)

    def end(self) -> bool:
        """Kill every sandbox: its job is handed back; True if there were any, the first time."""
        with self._lock:
            first, self._ended = not self._ended, True
            boxes, idle = list(self._all), self._idle
            self._idle = []
        for box in boxes:
            box.kill()
        for box in idle:  # the others are waited for by the threads that use them
            box.end()
        return first and bool(boxes)

    def _start(self) -> _Sandbox:
        box = _Sandbox(self._command, self._groups, self._clock)
        with self._lock:
            self._all.add(box)
        try:
            box.wait_until_ready()
        except BaseException:
            with self._lock:
                self._all.discard(box)
            box.kill()
            box.end()
            raise
        return box

    def _not_now(self, run: Run, reason: str) -> Verdict:
        return bounce(reason, run.envelope, now=self._clock.wall(), spread=0.0)


def _timed_out(run: Run, delay_unit: float) -> Verdict:
    error = JobTimeoutError(f"timed out after {as_text(run.job_type.timeout)}")
    return decide(
        Raised(error),
        run.job_type.policy,
        failures=run.envelope.failures,
        spread=0.0,
        at_least=delay_unit,
    )


_OVER_TIME = object()
_DIED = object()


class _Sandbox:
    """One process, and the socket to it."""

    def __init__(self, command: Sequence[str], groups: GroupRow, clock: Clock) -> None:
        self._groups = groups
        self._clock = clock
        self._sock, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # its whole group can be killed, children of it as well
            )
        finally:
            theirs.close()
        try:
            # Should we be killed, somebody else has to end what the handler starts there.
            groups.add(self._process.pid)
        except OSError:
            self.kill()
            self.end()
            raise

    def wait_until_ready(self) -> None:
        """Wait until the user's code is loaded; raises `OSError` or `ValueError` if it does not."""
        self._sock.settimeout(_LONGEST_START)
        facts = read_frame(self._sock)
        if not facts or "ready" not in facts:
            raise ValueError((facts or {}).get("refused", "it died while loading"))

    def ask(self, run: Run, delay_unit: float, timeout: float) -> Verdict | object:
        """Return the sandbox's verdict, `_OVER_TIME`, or `_DIED`."""
        job = run.job
        self._sock.settimeout(timeout)
        try:
            write_frame(
                self._sock,
                {
                    "number": job.number,
                    "body": job.body,
                    "id": run.id,
                    "queue": run.queue,
                    "priority": run.priority,
                    "ttr": job.ttr,
                    "delay_unit": delay_unit,
                },
            )
            self._await_word(timeout)
            facts = read_frame(self._sock)
            return _DIED if facts is None else as_verdict(facts)
        except TimeoutError:
            self.kill()
            return _OVER_TIME
        except ValueError:
            # The handler wrote into our socket: such a process serves nobody any more.
            self.kill()
            return _DIED
        except OSError:
            return _DIED

    def _await_word(self, timeout: float) -> None:
        """Wait until there is something to read.

        The end of the socket alone does not tell of a death: a child that the handler has forked
        may hold the other end for as long as it lives. Raises `TimeoutError` or `OSError`.
        """
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        end = self._clock.monotonic() + timeout
        while not poll.poll(min(timeout, _LOOK) * 1000):
            if self._process.poll() is not None:
                raise ConnectionResetError("the process is dead")
            timeout = end - self._clock.monotonic()
            if timeout <= 0:
                raise TimeoutError

    def kill(self) -> None:
        """Kill the process and its whole group; any thread."""
        kill_group(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Make sure that it is gone, and return how it ended: a code, or minus a signal."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            # It closed its socket and lives on: that is not how a handler ends.
            self.kill()
            code = self._process.wait()
        self.kill()  # what it has left behind in its group
        self._groups.remove(self._process.pid)
        self._sock.close()
        return code
