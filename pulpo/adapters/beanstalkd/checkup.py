"""A look at a beanstalkd for `pulpo doctor`: what it says of itself, and what it does when tried.

Safe on a live server: it looks, and tries only in queues of its own. Bounded: a server that is
silent for 5 s is out of reach.
"""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pulpo.adapters.beanstalkd import commands, verdicts
from pulpo.adapters.beanstalkd.address import Address
from pulpo.adapters.beanstalkd.asking import Asking, count
from pulpo.adapters.beanstalkd.host import Host, listens_everywhere, look
from pulpo.adapters.beanstalkd.link import Kind, Link
from pulpo.adapters.beanstalkd.own_tubes import is_own
from pulpo.adapters.beanstalkd.probing import (
    CONNECTIONS,
    NoRoomError,
    probe_timers,
    probe_write,
    sweep,
)
from pulpo.adapters.beanstalkd.walking import Found, pulpo_id
from pulpo.checkup import Finding, fault, judge_disk, judge_queues, note, ok, warning
from pulpo.clock import Clock
from pulpo.errors import UsageError
from pulpo.identity import check_queue, published_at
from pulpo.job import QueueStats

__all__ = ["examine"]

_MOST_QUEUES = 2_000
_MOST_SAMPLES = 50
_DEFAULT = "default"


def examine(
    address: Address, open_link: Callable[[], Link], clock: Clock, say: Callable[[str], None]
) -> Iterator[Finding]:
    """Yield what a look at the server finds; raises `QueueUnavailableError`, `UnsupportedError`."""
    with Asking(open_link(), clock) as asking:
        stats = asking.stats()
        host = look(count(stats, "pid"), stats.get("hostname", ""))
        yield from _said(stats, host)
        yield _exposure(address, asking, host)
        tubes = _tubes(asking)
        sweep(asking, tubes)
        counted, watched = _counts(asking, _names(tubes)[:_MOST_QUEUES])
        yield from judge_queues(
            counted,
            _unserved(counted, watched, count(stats, "current-workers")),
            keeps_pause=False,
        )
        ahead = _ahead(asking, counted, clock)
        write = probe_write(asking)
        if not write.answer.startswith("DRAINING"):
            yield verdicts.judge_write(write, binlog=_has_binlog(stats))
        not_tried = note("timers", "not tried: the server takes no more now", "as the checks above")
        if not write.answer.startswith("INSERTED") or _is_crowded(stats, host):
            yield not_tried
            return
        say("leaving eight leases alone to see whether they run out: 3 s")
        try:
            timers = probe_timers(asking, lambda: Asking(open_link(), clock), clock)
        except NoRoomError:
            yield not_tried
            return
        yield verdicts.judge_timers(timers)
        yield verdicts.judge_clock(timers, ahead)


def _said(stats: dict[str, str], host: Host | None) -> Iterator[Finding]:
    yield verdicts.judge_version(stats)
    yield verdicts.judge_instance(stats)
    yield verdicts.judge_draining(stats)
    yield verdicts.judge_binlog(stats)
    if _has_binlog(stats):
        yield verdicts.judge_sync(host)
        folder = None if host is None else host.folder
        yield verdicts.judge_span(stats, _age_of_oldest(folder, stats))
        yield from _folder(folder, count(stats, "binlog-max-size"))
    yield verdicts.judge_job_size(stats)
    yield verdicts.judge_queue_count(stats)
    yield verdicts.judge_connections(stats, host)


def _has_binlog(stats: dict[str, str]) -> bool:
    return count(stats, "binlog-current-index") > 0


def _is_crowded(stats: dict[str, str], host: Host | None) -> bool:
    if host is None or host.most_files is None:
        return False
    return count(stats, "current-connections") + 4 * CONNECTIONS > host.most_files


# The binlog's folder


def _age_of_oldest(folder: Path | None, stats: dict[str, str]) -> float | None:
    if folder is None:
        return None
    try:
        written = (folder / f"binlog.{stats.get('binlog-oldest-index')}").stat().st_mtime
        # Both times by the wall clock that marks files.
        return max(folder.stat().st_mtime - written, 0.0)
    except OSError:
        return None


def _folder(folder: Path | None, file_size: int) -> Iterator[Finding]:
    try:
        if folder is None:
            raise FileNotFoundError
        mode = folder.stat().st_mode
        found = os.statvfs(folder)
    except OSError:
        yield note(
            "disk",
            "cannot be known from here: the binlog's folder is not to be seen",
            "with no room for a new binlog file the server accepts nothing",
            "watch the free space on the server's host",
        )
        return
    # Files are made in full size: the next one must find its room.
    yield judge_disk(
        found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, least=2 * file_size
    )
    why = "who can write the binlog's folder can put jobs, and take them away"
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        do = f"chmod go-w {str(folder)!r}"
        yield fault("binlog-folder", f"others can write {str(folder)!r}", why, do)
    else:
        yield ok("binlog-folder", f"only its owner can write {str(folder)!r}", why)


# Who can reach it


def _exposure(address: Address, asking: Asking, host: Host | None) -> Finding:
    why = "beanstalkd has no users: whoever reaches it reads, deletes and puts jobs"
    if address.path:
        return _socket_exposure(address.path, why)
    if address.tls:
        return ok("exposure", "encrypted, and the server's certificate was checked", why)
    peer = asking.peer
    name = peer[0] if isinstance(peer, tuple) else ""
    do = "a firewall that lets in only workers and producers, or beanstalkds:// through a TLS proxy"
    if not ipaddress.ip_address(str(name).partition("%")[0]).is_loopback:
        return warning("exposure", f"plain text over the network to {name}", why, f"use {do}")
    if host is not None and listens_everywhere(address.port):
        found = "reached through the loopback, but it listens on every address of this host"
        return warning("exposure", found, why, f"start it with `-l 127.0.0.1`, or use {do}")
    return ok("exposure", "reached through the loopback", why)


def _socket_exposure(path: str, why: str) -> Finding:
    mode = os.stat(path).st_mode  # noqa: PTH116  # the path of a URL
    if mode & stat.S_IWOTH:
        do = f"start the server with umask 077, or chmod o-w {path!r}"
        return warning("exposure", f"every user of this host may connect to {path!r}", why, do)
    return ok("exposure", f"only through {path!r}, on this host", why)


# Its queues


def _counts(asking: Asking, names: Sequence[str]) -> tuple[list[QueueStats], dict[str, int]]:
    """Return the counts of queues, and how many connections watch each."""
    replies = asking.ask_all([b"stats-tube %b\r\n" % name.encode("ascii") for name in names])
    counted, watched = [], {}
    for name, reply in zip(names, replies, strict=True):
        found = commands.parse_stats(reply.data or b"")
        watched[name] = count(found, "current-watching")
        counted.append(
            QueueStats(
                queue=name,
                ready=count(found, "current-jobs-ready"),
                buried=count(found, "current-jobs-buried"),
                paused=count(found, "pause-time-left") > 0,
            )
        )
    return counted, watched


def _tubes(asking: Asking) -> list[str]:
    text = (asking.ask(b"list-tubes\r\n").data or b"").decode("ascii", "replace")
    return [line[2:].strip('"') for line in text.splitlines() if line.startswith("- ")]


def _names(tubes: Sequence[str]) -> list[str]:
    """Return the queues of users, sorted."""
    found = []
    for name in tubes:
        if not is_own(name):
            with suppress(UsageError):  # a tube that no pulpo made
                found.append(check_queue(name))
    return sorted(found)


def _unserved(counted: list[QueueStats], watched: dict[str, int], workers: int) -> set[str]:
    """Return the queues that no worker watches; every new connection watches `default`."""
    return {
        found.queue
        for found in counted
        if not (workers if found.queue == _DEFAULT else watched[found.queue])
    }


def _ahead(asking: Asking, counted: list[QueueStats], clock: Clock) -> float:
    """Return by how much first jobs seem older to the server than their ids say, in seconds.

    A job that was retried is newer than its id, so only the other direction says something; an id
    from the future says that its producer's clock is ahead of ours, and counts below zero.
    """
    worst = 0.0
    for name in [found.queue for found in counted if found.ready][:_MOST_SAMPLES]:
        asking.ask(commands.use(name))
        reply = asking.ask(b"peek-ready\r\n", Kind.PEEK)
        number = reply.line.split()[1] if reply.line.startswith(b"FOUND ") else b"0"
        made = published_at(pulpo_id(Found(int(number), reply.data or b"")))
        described = asking.ask(commands.stats_job(int(number))).data
        if made is None or described is None:
            continue
        since = clock.wall() - made
        older = count(commands.parse_stats(described), "age") - since
        worst = max(worst, since if since < 0 else max(older, 0.0), key=abs)
    asking.ask(commands.use(_DEFAULT))
    return worst
