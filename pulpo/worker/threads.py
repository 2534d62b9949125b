"""The pool of threads in which plain handlers run.

Jobs come in a batch and go out one by one: a thread that is awake takes the next one without a
lock. For very short jobs one thread does them all, since waking another costs more than the job.
The pool decides nothing: what a result means is said in `pulpo.worker.decide`.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from pulpo.clock import Clock
from pulpo.errors import JobTimeoutError
from pulpo.run import Run
from pulpo.worker.decide import Raised
from pulpo.worker.execute import Finished, execute

__all__ = ["ThreadPool"]


class _Slot:
    """One thread of the pool: what it runs, and the bell it sleeps by."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.done: Finished | None = None
        self.ident = 0
        self.bell = threading.Lock()
        self.bell.acquire()
        self.shield = threading.Lock()


class ThreadPool:
    """Runs plain handlers; the worker's loop thread calls everything here.

    `finished` is called from the pool's threads when a result is there to be taken.
    """

    #: Whether it is worth it to hand over a little more than there are threads.
    takes_ahead = True

    def __init__(self, size: int, clock: Clock, finished: Callable[[], None]) -> None:
        self.size = size
        self._clock = clock
        self._finished = finished
        self._inbox: deque[Run] = deque()
        self._outbox: deque[Finished] = deque()
        self._idle: deque[_Slot] = deque()
        self._slots: list[_Slot] = []
        self._given_up: set[Run] = set()
        self._stopping = False
        self._rung = False

    @property
    def in_hand(self) -> int:
        """How many runs were submitted and are not finished."""
        return len(self._inbox) + len([slot for slot in self._slots if slot.run is not None])

    @property
    def waiting(self) -> int:
        """How many runs have not begun."""
        return len(self._inbox)

    def waiting_since(self) -> float | None:
        """Return the monotonic second at which the oldest run that has not begun was submitted."""
        try:
            return self._inbox[0].taken
        except IndexError:
            return None

    def submit(self, runs: Sequence[Run], *, wake: int) -> None:
        """Hand over runs, waking up to `wake` sleeping threads for them."""
        now = self._clock.monotonic()
        for run in runs:
            run.taken = now
        self._inbox.extend(runs)
        self.nudge(wake)
        if len(runs) == 1:
            # A thread that has been woken for one job needs the interpreter, and we have it: to go
            # on until the next wait would be a sixth of the time that an idle worker's job takes.
            time.sleep(0)

    def nudge(self, wake: int) -> None:
        """Wake up to so many sleeping threads; starts one where all are at work."""
        for _ in range(min(wake, len(self._inbox))):
            try:
                slot = self._idle.pop()
            except IndexError:
                if len(self._slots) >= self.size:
                    return
                self._start_thread()
            else:
                slot.bell.release()

    def take_finished(self) -> list[Finished]:
        """Return what has finished since the last call."""
        outbox = self._outbox
        self._rung = False  # before the look: what comes after it rings again
        done = [outbox.popleft() for _ in range(len(outbox))]
        if self._given_up:
            done = [finished for finished in done if finished.run not in self._given_up]
        return done

    def take_back(self, before: float) -> list[Run]:
        """Return, in order, what was handed over before a monotonic second and has not begun."""
        taken: list[Run] = []
        while self._inbox:
            try:
                run = self._inbox.pop()
            except IndexError:  # a thread was quicker
                break
            if run.taken >= before:
                self._inbox.append(run)
                break
            taken.append(run)
        taken.reverse()
        return taken

    def running(self) -> list[Run]:
        """Return the runs that have begun."""
        return [
            run
            for slot in self._slots
            if (run := slot.run) is not None and run not in self._given_up
        ]

    def at_work(self) -> list[tuple[int, int, Run]]:
        """Return number, thread and run of each busy slot, given up or not; any thread may ask."""
        return [
            (number, slot.ident, run)
            for number, slot in enumerate(list(self._slots), 1)
            if (run := slot.run) is not None
        ]

    def interrupt(self, run: Run) -> None:
        """Raise `JobTimeoutError` in the thread of a run, unless pulpo itself is at work there.

        A thread that waits in C code sees it only when it comes back to Python.
        """
        for slot in self._slots:
            if slot.run is run and slot.shield.acquire(blocking=False):
                try:
                    # Once only: a second one could strike where the first is being handled.
                    if slot.run is run and not run.over_time:
                        run.over_time = True
                        ctypes.pythonapi.PyThreadState_SetAsyncExc(
                            ctypes.c_ulong(slot.ident), ctypes.py_object(JobTimeoutError)
                        )
                finally:
                    slot.shield.release()

    def give_up(self, run: Run) -> None:
        """Forget a run that cannot be stopped; whatever it returns is dropped."""
        self._given_up.add(run)

    def stop(self) -> None:
        """Let the threads end once they are idle."""
        self._stopping = True
        for _ in range(len(self._idle)):
            self._idle.pop().bell.release()

    def _start_thread(self) -> None:
        slot = _Slot()
        self._slots.append(slot)
        name = f"pulpo-{len(self._slots)}"
        threading.Thread(target=self._work, args=(slot,), name=name, daemon=True).start()

    def _work(self, slot: _Slot) -> None:
        slot.ident = threading.get_ident()
        while not self._stopping:
            try:
                self._work_off(slot)
            except JobTimeoutError as error:
                # The time limit struck outside the handler, between its end and the outbox.
                self._hand_in(slot, error)

    def _work_off(self, slot: _Slot) -> None:
        inbox = self._inbox
        while not self._stopping:
            try:
                run = inbox.popleft()
            except IndexError:
                self._sleep(slot)
                continue
            run.shield = slot.shield
            slot.run = run
            slot.done = execute(run, self._clock)
            self._hand_in(slot, None)

    def _hand_in(self, slot: _Slot, error: JobTimeoutError | None) -> None:
        run = slot.run
        if slot.done is None and run is not None:
            slot.done = Finished(run, Raised(error or JobTimeoutError()), self._clock.monotonic())
        # With the shield in hand nobody interrupts; without a run nobody will.
        with slot.shield:
            slot.run = None
        if slot.done is not None:
            # Handed in twice where the limit strikes right here: the worker takes the first.
            self._outbox.append(slot.done)
            slot.done = None
        if not self._rung:
            self._rung = True
            self._finished()

    def _sleep(self, slot: _Slot) -> None:
        self._idle.append(slot)
        if self._inbox or self._stopping:
            # Something came in between the look and the lying down.
            try:
                self._idle.remove(slot)
                return
            except ValueError:
                pass  # somebody rings the bell already
        slot.bell.acquire()
