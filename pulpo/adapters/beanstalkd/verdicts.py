"""What a beanstalkd's `stats`, its process and the probes say about the promise; pure.

Facts of the server are from its protocol.txt and its source, 1.12 and 1.13.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pulpo.adapters.beanstalkd.asking import count
from pulpo.adapters.beanstalkd.host import Host
from pulpo.adapters.beanstalkd.probing import TimerProbe, WriteProbe
from pulpo.checkup import Finding, fault, note, ok, warning
from pulpo.duration import as_text

__all__ = [
    "judge_binlog",
    "judge_clock",
    "judge_connections",
    "judge_draining",
    "judge_instance",
    "judge_job_size",
    "judge_queue_count",
    "judge_span",
    "judge_sync",
    "judge_timers",
    "judge_version",
    "judge_write",
]

Stats = Mapping[str, str]

# What a file queue takes by default: jobs can move there and back.
_USUAL_SIZE = 65_535
_MANY_QUEUES = 1_000
_MANY_FILES = 100
_OLD = 30 * 86_400.0
# The usual limit of open files where nobody has raised it.
_USUAL_LIMIT = 1_024
_CLOCK_LIMIT = 5.0
_OTHER_FILES = 16  # its log, its binlog, what it listens on


def judge_version(stats: Stats) -> Finding:
    """Judge the server's version; one too old does not get here."""
    version = stats.get("version", "")
    why = "pulpo needs reserve-job, which came with 1.12; it is tested on 1.12 and 1.13"
    if re.match(r"\d+\.\d+", version):
        return ok("version", f"beanstalkd {version}", why)
    return warning("version", f"unknown: {version!r}", why, "use a released version, 1.12 or newer")


def judge_instance(stats: Stats) -> Finding:
    """Say which server it is, and since when it runs."""
    since = as_text(float(count(stats, "uptime")))
    return ok(
        "instance",
        f"{stats.get('id', 'without an id')} on {stats.get('hostname', 'an unknown host')}, "
        f"process {stats.get('pid', '?')}, up for {since}, "
        f"{stats.get('total-jobs', '?')} jobs taken since",
        "a server that was started on another folder is an empty queue: see if it is the one you "
        "mean; its counters begin anew with every start",
    )


def judge_draining(stats: Stats) -> Finding:
    """Tell a server that takes no new jobs."""
    why = "a draining server refuses every publish, until it is restarted"
    if stats.get("draining") != "true":
        return ok("draining", "no", why)
    return fault("draining", "yes: it got SIGUSR1", why, "restart the server")


def judge_binlog(stats: Stats) -> Finding:
    """Tell a server that keeps its jobs only in memory."""
    why = "without a binlog every job is gone when the server restarts"
    current = count(stats, "binlog-current-index")
    if not current:
        return fault(
            "binlog",
            "none: jobs are kept in memory only",
            why,
            "start beanstalkd with `-b /var/lib/beanstalkd -f 0`, on a local disk (on Debian: "
            "BEANSTALKD_EXTRA in /etc/default/beanstalkd)",
        )
    most = count(stats, "binlog-max-size")
    return ok("binlog", f"on, file {current}, {most:,} bytes each", why)


def judge_sync(host: Host | None) -> Finding:
    """Judge when the server syncs its binlog, which it does not tell itself."""
    why = "only with -f 0 is a job on the disk when its publish returns; else a power cut takes "
    why += "what the kernel has not written yet, which may be half a minute"
    do = "start beanstalkd with `-f 0`"
    if host is None:
        return note(
            "sync",
            "cannot be known from here: stats does not tell it, and the server's process is not "
            "on this host, or not to be seen",
            why,
            "look at its command line: `ps -o args= -C beanstalkd` on its host must show `-f 0`",
        )
    if host.flags.sync_ms == 0:
        return ok("sync", "-f 0: every write is synced before it is answered", why)
    if host.flags.sync_ms is None:
        return warning("sync", "-F: never synced", why, do)
    return warning("sync", f"at most every {host.flags.sync_ms} ms, at the next write", why, do)


def judge_span(stats: Stats, age: float | None) -> Finding:
    """Judge how much binlog is kept; `age` is how old its oldest file is, in seconds."""
    why = (
        "binlog files are freed from the oldest on: old jobs, most often buried ones, can keep on "
    )
    why += "the disk what came after them, and every start reads all of it"
    oldest = count(stats, "binlog-oldest-index")
    files = count(stats, "binlog-current-index") - oldest + 1
    found = f"{files} files" if files > 1 else "1 file"
    if age is not None:
        found += f", the oldest from {as_text(float(int(age)))} ago"
    do = "kick or delete buried and long delayed jobs; see `pulpo jobs list --state buried`"
    if files >= _MANY_FILES:
        return warning("binlog-span", found, why, do)
    if files > 1 and age is not None and age > _OLD:
        return note("binlog-span", found, why, do)
    return ok("binlog-span", found, why)


def judge_job_size(stats: Stats) -> Finding:
    """Judge the largest body that the server takes."""
    size = count(stats, "max-job-size")
    why = f"bodies up to {_USUAL_SIZE:,} bytes are what a file queue takes, and what jobs rely on"
    if size >= _USUAL_SIZE:
        return ok("job-size", f"up to {size:,} bytes", why)
    return warning(
        "job-size",
        f"only up to {size:,} bytes",
        why,
        f"start beanstalkd with `-z {_USUAL_SIZE}` or more; and never lower it while jobs wait: "
        "those that are too big are not read at the next start, nor what stands behind them",
    )


def judge_queue_count(stats: Stats) -> Finding:
    """Judge the number of queues."""
    queues = count(stats, "current-tubes")
    why = "the server looks for a queue by walking through all of them, at every put"
    if queues < _MANY_QUEUES:
        return ok("queues", f"{queues}", why)
    return warning("queues", f"{queues:,}", why, "make no queue for each customer, key or answer")


def judge_connections(stats: Stats, host: Host | None) -> Finding:
    """Judge how many connections are open, against the limit where that is known."""
    connections = count(stats, "current-connections")
    why = "at its limit of open files the server lets clients connect and never answers them, "
    why += "and cannot begin a new binlog file"
    do = "set `LimitNOFILE=65536` in its unit, or look for who opens so many"
    if host is None or host.most_files is None:
        found = f"{connections} open; the limit cannot be known from here"
        if connections < 0.8 * _USUAL_LIMIT:
            return ok("connections", found, why)
        return warning("connections", f"{found}, {_USUAL_LIMIT} is usual", why, do)
    found = f"{connections} open, at most {host.most_files} files"
    room = host.most_files - _OTHER_FILES
    if connections >= room:
        return fault("connections", found, why, do)
    if connections > 0.8 * room:
        return warning("connections", found, why, do)
    return ok("connections", found, why)


def judge_write(probe: WriteProbe, *, binlog: bool) -> Finding:
    """Judge what a put was answered, and whether it went into the binlog."""
    why = "after one failed write beanstalkd goes on without its binlog and still says INSERTED: "
    why += "everything accepted from then on is gone at its next restart"
    word = probe.answer.partition(" ")[0]
    if word == "INSERTED" and (probe.records > 0 or not binlog):
        return ok("writes", "a job was put and deleted" + ", and logged" * binlog, why)
    if word == "OUT_OF_MEMORY":
        return fault(
            "writes",
            "a put was refused: OUT_OF_MEMORY",
            "no room for a new binlog file, or no memory, and nothing is accepted",
            "make room on the disk of the binlog, or memory; then look here again",
        )
    found = f"a put was answered {probe.answer[:40]!r}"
    if word == "INSERTED":
        found = "a put was accepted, and binlog-records-written stands still"
    return fault(
        "writes",
        found,
        why,
        "look at the disk of the binlog and at the server's log, then restart the server: jobs "
        "that were accepted since the write failed are only in its memory, so stop producers, let "
        "workers empty the queues first, and copy the binlog's folder",
    )


def judge_timers(probe: TimerProbe) -> Finding:
    """Judge whether leases that run out give their jobs back."""
    why = "the time limit of a lease is only the last resort here: pulpo's supervisor kills a "
    why += "frozen process, and a closed connection gives its jobs back at once; but nothing does "
    why += "that for a whole host that freezes or vanishes"
    if not probe.lost:
        return ok("timers", f"{probe.leases} of {probe.leases} leases ran out as they should", why)
    return warning(
        "timers",
        f"this server loses timers: {probe.lost} of {probe.leases} leases that were over held "
        "their jobs on",
        why,
        "nothing on one host; workers on other hosts: set net.ipv4.tcp_keepalive_time=60 on the "
        "server's, so that the jobs of a vanished host come back",
    )


def judge_clock(probe: TimerProbe, ahead: float) -> Finding:
    """Judge the server's clock: by a job of ours, and by how far ahead old jobs say that it was.

    `ahead` is in seconds; negative where the clock that published a job is ahead of ours.
    """
    why = "delays and leases on beanstalkd run on its wall clock: a step makes them fire early or "
    why += "late"
    do = "let chrony or ntpd slew the clocks of all hosts, and step them only at the boot"
    # The age is in whole seconds, cut.
    off = probe.age - probe.elapsed
    if not -_CLOCK_LIMIT - 1 <= off <= _CLOCK_LIMIT:
        found = f"a job of {probe.elapsed:.1f} s is {probe.age} s old by the server's clock"
        return fault("clock", found, why, do)
    if ahead > _CLOCK_LIMIT:
        found = f"by the server's clock, a job is {ahead:,.0f} s older than its id says"
        return warning("clock", f"{found}: it was set forward, or a producer's clock is", why, do)
    if ahead < -_CLOCK_LIMIT:
        found = f"a job was published {-ahead:,.0f} s from now: a producer's clock is ahead of ours"
        return warning("clock", found, why, do)
    return ok(
        "clock",
        "the server's clock runs like ours, and the jobs' ids agree; what time it has, it tells "
        "nobody",
        why,
    )
