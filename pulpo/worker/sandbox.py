"""The process in which suspects run, one at a time: jobs whose worker has died under them twice.

It holds no reservation and opens no queue: its parent does, and judges by its death. Talks with
the parent over one socket; whatever a handler does to this process, it does to nobody else.
"""

from __future__ import annotations

import inspect
import os
import random
import signal
import socket
import struct
from collections.abc import Callable
from typing import Any

import msgpack

from pulpo.clock import SystemClock
from pulpo.errors import LoadError
from pulpo.job import Job, Verb
from pulpo.run import Run
from pulpo.system import die_with_parent
from pulpo.worker.decide import Ending, Verdict, decide
from pulpo.worker.execute import Finished, execute, execute_async
from pulpo.worker.journal import log_format
from pulpo.worker.opening import open_job
from pulpo.worker.settings import WorkerParts

__all__ = ["as_facts", "as_verdict", "read_frame", "serve", "write_frame"]

_LENGTH = struct.Struct("!I")
_PIECE = 1 << 20


def serve(load: Callable[[], WorkerParts], fd: int, *, log: str = "text") -> None:
    """Run the jobs that the parent sends, until it closes the socket; never returns."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = socket.socket(fileno=fd)
    if _has_closed(parent):
        os._exit(1)  # it died before the kernel knew that we die with it
    try:
        parts = load()
    except LoadError as error:
        write_frame(parent, {"refused": error.shown})
        os._exit(1)
    log_format(log, verbose=False)
    write_frame(parent, {"ready": True})
    while (facts := read_frame(parent)) is not None:
        job = Job(
            number=facts["number"],
            body=facts["body"],
            id=facts["id"],
            queue=facts["queue"],
            priority=facts["priority"],
            ttr=facts["ttr"],
        )
        write_frame(parent, as_facts(_run(job, parts, delay_unit=facts["delay_unit"])))
    os._exit(0)


def _has_closed(parent: socket.socket) -> bool:
    try:
        return parent.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def _run(job: Job, parts: WorkerParts, *, delay_unit: float) -> Verdict:
    clock = SystemClock()
    spread = random.uniform(-1, 1)
    now, chain = clock.wall(), parts.chain
    run, verdict = open_job(job, parts.codec, parts.registry, now=now, spread=spread, chain=chain)
    if verdict is not None:
        return verdict
    finished = _finish(run, clock)
    return decide(
        finished.result,
        run.job_type.policy,
        failures=run.envelope.failures,
        spread=spread,
        at_least=delay_unit,
    )


def _finish(run: Run, clock: SystemClock) -> Finished:
    if not run.job_type.is_async:
        return execute(run, clock)
    import asyncio  # noqa: PLC0415  # only for coroutines

    return asyncio.run(execute_async(run, clock))


def as_facts(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as plain values."""
    facts = {name: getattr(verdict, name) for name in inspect.signature(Verdict).parameters}
    return {**facts, "ending": verdict.ending.value, "verb": verdict.verb.value}


def as_verdict(facts: dict[str, Any]) -> Verdict:
    """Return the verdict of plain values; raises `ValueError` for anything else."""
    try:
        return Verdict(**{**facts, "ending": Ending(facts["ending"]), "verb": Verb(facts["verb"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"no verdict: {error!r}") from error


def write_frame(sock: socket.socket, facts: dict[str, object]) -> None:
    """Send plain values: a length of four bytes, then msgpack."""
    data = msgpack.packb(facts)
    sock.sendall(_LENGTH.pack(len(data)) + data)


def read_frame(sock: socket.socket) -> dict[str, Any] | None:
    """Receive plain values; None where the other end has closed.

    Raises `ValueError` for bytes that are no frame, `TimeoutError` after the socket's timeout.
    """
    head = _read(sock, _LENGTH.size)
    if head is None:
        return None
    data = _read(sock, _LENGTH.unpack(head)[0])
    if data is None:
        return None
    facts = msgpack.unpackb(data)
    if not isinstance(facts, dict):
        raise ValueError(f"a frame holds a map, not {type(facts).__name__}")  # noqa: TRY004
    return facts


def _read(sock: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        try:
            # In pieces: a length that nobody meant must not take so much memory at once.
            piece = sock.recv(min(size - len(data), _PIECE))
        except ConnectionError:
            return None
        if not piece:
            return None
        data += piece
    return bytes(data)
