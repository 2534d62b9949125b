"""`pulpo worker`: says what to load and with which limits; running it is `pulpo.worker`'s."""

from __future__ import annotations

import gc
import importlib
import os
import socket
import sys
from contextlib import suppress
from functools import partial

import click

from pulpo.adapters import open_engine
from pulpo.cli.door import check_shared, shared_url
from pulpo.cli.errors import FAILED, CommandError
from pulpo.cli.load import check_modules, load_parts
from pulpo.cli.parameters import ADDRESS, DURATION, SIZE, checked
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.errors import QueueError
from pulpo.side import side_of
from pulpo.system import open_standard_streams
from pulpo.worker.http_server import listen
from pulpo.worker.settings import WorkerSettings, queue_with_slots, told_queues
from pulpo.worker.supervisor import supervise

__all__ = ["WORKER_URL", "worker"]

WORKER_URL = "_PULPO_WORKER_URL"  # for our own children, not a setting


def _cores() -> int:
    # What this process may use: a container or taskset may allow fewer than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _share(url: str, *, side: bool) -> None:
    """Import what every process is going to need, once: they share its memory then.

    And keep the garbage collector away from it, whose marks would make a copy of each page.
    """
    importlib.import_module("pulpo.function")  # with wrapt, the largest of them
    if side:
        with suppress(QueueError):  # each process says so itself
            side_of(open_engine(url))  # imports the store, which is opened on first use only
    gc.collect()
    gc.freeze()


@click.command()
@click.argument("modules", nargs=-1, metavar="MODULE...")
@click.option(
    "-q",
    "--queue",
    "queues",
    type=checked(queue_with_slots),
    multiple=True,
    metavar="NAME[:N]",
    help="Serve only this queue, with N jobs at once in a process; may be given several times.",
)
@click.option(
    "--processes", type=click.IntRange(1, 1024), metavar="N", help="[default: one for each core]"
)
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    default=8,
    show_default=True,
    metavar="N",
    help="Functions that one process runs at once.",
)
@click.option(
    "--async-slots",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    metavar="N",
    help="Coroutines that one process runs at once.",
)
@click.option("--burst", is_flag=True, help="Stop when nothing is ready.")
@click.option(
    "--grace",
    type=DURATION,
    default="25s",
    show_default=True,
    metavar="DURATION",
    help="Time for running jobs to finish when the worker stops.",
)
@click.option(
    "--max-jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Replace each process before it takes more than N jobs.",
)
@click.option(
    "--max-memory",
    type=SIZE,
    metavar="SIZE",
    help="Replace a process that uses more memory, like 300MB or 1GiB.",
)
@click.option(
    "--no-side", is_flag=True, help="Tell nobody who works and what was done: no `pulpo workers`."
)
@click.option(
    "--http",
    type=ADDRESS,
    metavar="[HOST:]PORT",
    help="Answer /healthz, /readyz and /metrics there; without HOST on 127.0.0.1.",
)
@click.option(
    "--also",
    metavar="URL",
    callback=lambda _context, _option, url: url and check_shared(url),
    help="Serve this queue too, with as many processes again: while jobs move from there.",
)
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@target_options
@pass_target
def worker(
    target: Target,
    *,
    modules: tuple[str, ...],
    queues: tuple[tuple[str, int | None], ...],
    processes: int | None,
    threads: int,
    async_slots: int,
    burst: bool,
    grace: float,
    max_jobs: int | None,
    max_memory: int | None,
    no_side: bool,
    http: tuple[str, int] | None,
    also: str | None,
    log_format: str,
) -> int:
    """Import modules and run the jobs of the types that they register.

    Without -q it serves `default` and every queue that the loaded types name. SIGTERM stops it:
    what does not finish within the grace goes back to its queue.

    \b
    pulpo worker shop.tasks
    pulpo worker shop.tasks -q mail --processes 2 --threads 16
    """
    open_standard_streams()
    check_modules(modules)
    url = shared_url(target)
    settings = WorkerSettings(
        **told_queues(queues),
        threads=threads,
        async_slots=async_slots,
        burst=burst,
        grace=grace,
        max_jobs=max_jobs,
        max_memory=max_memory,
        side=not no_side,
        log_format=log_format,
        verbose=target.verbose,
        watched=http is not None,
        isolate=(sys.executable, "-m", "pulpo", "sandbox", log_format, *modules),
    )
    _share(url, side=settings.side)
    places = processes or _cores()
    return _supervised(target.url, modules, settings, processes=places, also=also, http=http)


def _supervised(
    url: str | None,
    modules: tuple[str, ...],
    settings: WorkerSettings,
    *,
    processes: int,
    also: str | None,
    http: tuple[str, int] | None,
) -> int:
    if url is not None:
        # For the processes of suspects: as an argument, everybody who lists processes would see it.
        os.environ[WORKER_URL] = url
    listening = None if http is None else _listening(*http)
    # By name, not as a closure: a supervisor that spawns its processes has to pickle it.
    load = partial(load_parts, modules, url)
    others = [partial(load, also=also)] if also else []
    return supervise(load, settings, processes=processes, also=others, http=listening)


def _listening(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        told = f"cannot listen on {host}:{port}: {error.strerror or error}"
        raise CommandError(told, code=FAILED) from None
