"""A worker process from its first to its last line.

Loads the user's code, drives one worker, and ends: by itself after a stop or a burst, at once at
the second signal, with its supervisor whatever happens.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from pulpo.adapter import QueueAdapter
from pulpo.clock import Clock, SystemClock
from pulpo.errors import LoadError, QueueError, QueueUnavailableError
from pulpo.job import Job
from pulpo.system import SharedMoment, die_with_parent
from pulpo.worker.attendants import attend, dismiss
from pulpo.worker.banner import describe
from pulpo.worker.chores import LAST_CHORES, Chores
from pulpo.worker.groups import GroupRow
from pulpo.worker.journal import log_format
from pulpo.worker.loop import Worker
from pulpo.worker.observed import Observed
from pulpo.worker.report import Reporter
from pulpo.worker.settings import WorkerParts, WorkerSettings
from pulpo.worker.stopping import SHOW, unheard

__all__ = ["NEIGHBOUR_DIED", "run_child"]

# The supervisor's word that another process of this worker has died, so that its jobs may be had.
# By default it is ignored: it harms no process that is not listening yet.
NEIGHBOUR_DIED = signal.SIGURG

# For those who listen to events, at the end; the supervisor waits a little longer than the grace.
_LISTENING = 0.5

# The command line's exit code for a queue that cannot be reached.
OUT_OF_REACH = 4


def run_child(
    load: Callable[[], WorkerParts],
    settings: WorkerSettings,
    report_fd: int,
    supervisor: int,
    last_death: SharedMoment,
    groups: GroupRow,
) -> None:
    """Be a worker process; never returns."""
    code = 1
    try:
        os.setpgid(0, 0)  # a group of its own, so that its own children can be ended with it
        die_with_parent()
        if os.getppid() != supervisor:
            os._exit(1)
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # ^C reaches the supervisor, which passes it on
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(SHOW, unheard)
        code = _work(load, settings, Reporter(report_fd), last_death, groups)
    except BrokenPipeError:
        code = 1  # the supervisor is gone
    except BaseException:  # told here, since nobody is above us
        logging.getLogger("pulpo.worker").exception("the worker process failed")
    finally:
        os._exit(code)


def _work(
    load: Callable[[], WorkerParts],
    settings: WorkerSettings,
    reporter: Reporter,
    last_death: SharedMoment,
    groups: GroupRow,
) -> int:
    clock = SystemClock()
    try:
        parts = load()
    except LoadError as error:
        reporter.tell(load_error=_shown(error), exit_code=error.exit_code)
        return 0
    log_format(settings.log_format, verbose=settings.verbose)
    beat = partial(_beat, reporter, clock)
    adapter = parts.engine.adapter(beat=beat)
    observed = Observed(parts, settings, clock)
    worker = Worker(
        adapter,
        parts,
        settings,
        clock=clock,
        journal=observed.journal(),
        beat=beat,
        last_death=last_death,
        groups=groups,
    )
    chores = Chores.of(parts, settings, worker, observed.tally, clock, supervisor=os.getppid())
    _stop_on_sigterm(worker)
    _look_when_a_neighbour_dies(adapter)
    _show_on_sigusr1(chores)
    reporter.tell(ready=describe(parts, settings))
    chores.start()
    observed.begin(worker, reporter)
    attending = attend(parts.attendants, burst=settings.burst, beat=beat)
    try:
        left = worker.run()
    except QueueUnavailableError as error:
        chores.stop(LAST_CHORES)
        reporter.tell(load_error=f"pulpo: {error}", exit_code=OUT_OF_REACH, final=True)
        return 0
    # Only now: after any other error the descriptors may be somebody else's, and nothing is closed.
    dismiss(attending)
    chores.stop(LAST_CHORES)
    observed.end()
    parts.listeners.flush(_LISTENING)
    # An exit code of 0 alone says nothing: a handler may call os._exit(0).
    reporter.tell(done=True, retired=worker.retired, **reporter.facts())
    return _end(adapter, left)


def _beat(reporter: Reporter, clock: Clock) -> None:
    reporter.beat(clock.monotonic())


def _shown(error: LoadError) -> str:
    # As every command says it; a traceback of the user's code stands for itself.
    return f"pulpo: {error}" if error.shown == str(error) else error.shown


def _stop_on_sigterm(worker: Worker) -> None:
    def stop(*_: object) -> None:
        # The second signal: now. The jobs go back as this process's sockets and locks close.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        worker.stop()

    signal.signal(signal.SIGTERM, stop)


def _look_when_a_neighbour_dies(adapter: QueueAdapter) -> None:
    if signal.getsignal(NEIGHBOUR_DIED) is not signal.SIG_DFL:
        return  # the user's code has a use for it, and the queue is looked at each second anyway
    signal.signal(NEIGHBOUR_DIED, lambda *_: adapter.wake())
    # No system call of a handler's C code fails for it.
    signal.siginterrupt(NEIGHBOUR_DIED, False)


def _show_on_sigusr1(chores: Chores) -> None:
    if signal.getsignal(SHOW) is not unheard:
        return  # the user's code has a use for it
    signal.signal(SHOW, lambda *_: chores.show())
    signal.siginterrupt(SHOW, False)


def _end(adapter: QueueAdapter, left: Sequence[Job]) -> int:
    if left:
        # Jobs still run in our threads. Closing first would start their second run beside them.
        with suppress(QueueError):
            adapter.leave(left)
        os._exit(0)
    adapter.close()
    # The user's: a forked process has no other end that would run them.
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a full disk behind a log, a closed pipe
            stream.flush()
    return 0
