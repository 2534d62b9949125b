"""What a beanstalkd's stats, flags and probes mean, each good and bad."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pulpo.adapters.beanstalkd import checkup, verdicts
from pulpo.adapters.beanstalkd.address import Address
from pulpo.adapters.beanstalkd.host import Flags, Host, listens_everywhere, look, parse_flags
from pulpo.adapters.beanstalkd.probing import TimerProbe, WriteProbe
from pulpo.checkup import Level
from pulpo.queue_url import QueueURL
from tests.adapters.looks import FAULT, NOTE, OK, WARNING

TIMERS = TimerProbe(leases=8, lost=0, age=2, elapsed=2.7)


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ("", Flags(binlog=None, sync_ms=50)),
        ("-b /var/lib/b", Flags(binlog="/var/lib/b", sync_ms=50)),
        ("-b/var/lib/b -f0", Flags(binlog="/var/lib/b", sync_ms=0)),
        ("-f 100 -l 127.0.0.1 -p 11300", Flags(sync_ms=100)),
        ("-Vf 0 -b x", Flags(binlog="x", sync_ms=0)),
        ("-F -b x", Flags(binlog="x", sync_ms=None)),
        ("-F -f 0", Flags(sync_ms=0)),
        ("-l -f0 -b x", Flags(binlog="x", sync_ms=50)),
        ("-b x stray -f 0", Flags(binlog="x", sync_ms=50)),
    ],
)
def test_flags_are_read_as_the_server_reads_them(line: str, flags: Flags) -> None:
    assert parse_flags(line.split()) == flags


def test_another_process_and_another_host_are_not_taken_for_the_server() -> None:
    assert look(os.getpid(), os.uname().nodename) is None, "a process of another program"
    assert look(2**22 + 1, os.uname().nodename) is None, "no process at all"
    assert look(os.getpid(), "elsewhere") is None


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: {address}:2C24 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
"""


@pytest.mark.parametrize(
    ("address", "state", "found"),
    [
        ("00000000", "0A", True),
        ("00000000000000000000000000000000", "0A", True),
        ("0100007F", "0A", False),
        ("00000000", "01", None),
    ],
)
def test_a_listener_on_every_address_is_told_from_one_on_the_loopback(
    address: str, state: str, found: bool | None
) -> None:
    assert listens_everywhere(11_300, [TABLE.format(address=address, state=state)]) is found


@pytest.mark.parametrize(
    ("version", "level"), [("1.12", OK), ("1.13+3", OK), ("unknown", WARNING), ("", WARNING)]
)
def test_a_version_that_nobody_knows_is_a_warning(version: str, level: Level) -> None:
    assert verdicts.judge_version({"version": version}).level is level


@pytest.mark.parametrize(
    ("connections", "level"), [(10, OK), (819, OK), (820, WARNING), (5_000, WARNING)]
)
def test_connections_without_a_known_limit_are_judged_by_the_usual_one(
    connections: int, level: Level
) -> None:
    stats = {"current-connections": str(connections)}
    assert verdicts.judge_connections(stats, None).level is level
    assert verdicts.judge_connections(stats, Host(flags=Flags())).level is level
    assert verdicts.judge_connections(stats, Host(flags=Flags(), most_files=65_536)).level is OK


@pytest.mark.parametrize(
    ("files", "age", "level"),
    [
        (1, None, OK),
        (1, 90 * 86_400.0, OK),
        (2, 90 * 86_400.0, NOTE),
        (2, 86_400.0, OK),
        (99, None, OK),
        (100, None, WARNING),
    ],
)
def test_a_long_binlog_is_a_warning_and_an_old_one_a_note(
    files: int, age: float | None, level: Level
) -> None:
    stats = {"binlog-oldest-index": "7", "binlog-current-index": str(6 + files)}
    assert verdicts.judge_span(stats, age).level is level


@pytest.mark.parametrize(
    ("answer", "records", "binlog", "level"),
    [
        ("INSERTED 7", 1, True, OK),
        ("INSERTED 7", 0, False, OK),
        ("INSERTED 7", 0, True, FAULT),
        ("BURIED 7", 0, True, FAULT),
        ("OUT_OF_MEMORY", 0, False, FAULT),
        ("INTERNAL_ERROR", 0, True, FAULT),
    ],
)
def test_a_put_that_the_binlog_does_not_see_is_a_fault(
    answer: str, records: int, binlog: bool, level: Level
) -> None:
    probe = WriteProbe(answer=answer, records=records)
    assert verdicts.judge_write(probe, binlog=binlog).level is level


@pytest.mark.parametrize(("lost", "level"), [(0, OK), (1, WARNING), (8, WARNING)])
def test_one_lost_timer_is_enough_to_warn(lost: int, level: Level) -> None:
    found = verdicts.judge_timers(replace(TIMERS, lost=lost))

    assert found.level is level
    assert f"{lost or 8} of 8 leases" in found.found


@pytest.mark.parametrize(
    ("age", "ahead", "level"),
    [
        (2, 0.0, OK),
        (3, 4.9, OK),
        (0, -4.9, OK),
        (8, 0.0, FAULT),
        (3_600, 0.0, FAULT),
        (2, 5.1, WARNING),
        (2, -5.1, WARNING),
    ],
)
def test_a_clock_more_than_five_seconds_off_is_told(age: int, ahead: float, level: Level) -> None:
    assert verdicts.judge_clock(replace(TIMERS, age=age), ahead).level is level


def test_a_clock_that_was_set_back_during_the_look_is_a_fault() -> None:
    slow = replace(TIMERS, age=0, elapsed=9.0)
    assert verdicts.judge_clock(slow, 0.0).level is FAULT


class Asked:
    """A connection whose other end is at some address."""

    def __init__(self, host: str) -> None:
        self.peer = (host, 11_300)


@pytest.mark.parametrize(
    ("url", "peer", "level"),
    [
        ("beanstalkd://queue", "10.0.0.5", WARNING),
        ("beanstalkd://queue", "2001:db8::1", WARNING),
        ("beanstalkd://queue", "fe80::1%eth0", WARNING),
        ("beanstalkd://localhost", "127.0.0.1", OK),
        ("beanstalkd://localhost", "::1", OK),
        ("beanstalkds://queue", "10.0.0.5", OK),
    ],
)
def test_plain_text_over_the_network_is_a_warning(url: str, peer: str, level: Level) -> None:
    address = Address.of(QueueURL.parse(url))
    assert checkup._exposure(address, Asked(peer), None).level is level  # type: ignore[arg-type]


def test_a_binlog_folder_that_cannot_be_looked_at_is_noted(tmp_path: Path) -> None:
    (found,) = checkup._folder(tmp_path / "absent", 4_096)
    assert (found.name, found.level) == ("disk", NOTE)
