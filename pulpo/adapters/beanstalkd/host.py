"""A beanstalkd's process, where it runs on this host: what `stats` does not tell.

Its flags, its binlog's folder and how many files it may open are in /proc (proc(5)); on another
host, in another container, or not on Linux nothing is known. Knows nothing of the protocol.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Flags", "Host", "listens_everywhere", "look", "parse_flags"]

_DEFAULT_SYNC_MS = 50
_WITH_VALUE = "plzsfub"
_LISTENING = "0A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """How the server was started: `sync_ms` is None where it never syncs its binlog."""

    binlog: str | None = None
    sync_ms: int | None = _DEFAULT_SYNC_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What this host knows of the server; None for what it does not tell us."""

    flags: Flags
    folder: Path | None = None
    most_files: int | None = None


def parse_flags(arguments: Sequence[str]) -> Flags:
    """Read a command line as the server does: `-f0`, `-f 0` and `-Vf 0` are the same."""
    binlog, sync_ms = None, _DEFAULT_SYNC_MS
    never = False
    for letter, value in _letters(arguments):
        if letter == "b":
            binlog = value
        elif letter == "f" and value.isdigit():
            sync_ms, never = int(value), False
        elif letter == "F":
            never = True
    return Flags(binlog=binlog, sync_ms=None if never else sync_ms)


def _letters(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    left = iter(arguments)
    for argument in left:
        if len(argument) < 2 or argument[0] != "-":
            return
        for place, letter in enumerate(argument[1:], 1):
            if letter in _WITH_VALUE:
                yield letter, argument[place + 1 :] or next(left, "")
                break
            yield letter, ""


def look(pid: int, hostname: str) -> Host | None:
    """Return what is known of the server with this process id, None if it is not on this host."""
    if hostname != platform.node():
        return None
    process = Path("/proc") / str(pid)
    try:
        words = (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return None
    program, *arguments = [os.fsdecode(word) for word in words]
    # In another container the same number is another process.
    if not Path(program).name.startswith("beanstalkd"):
        return None
    flags = parse_flags(arguments)
    return Host(flags=flags, folder=_folder(process, flags), most_files=_most_files(process))


def _folder(process: Path, flags: Flags) -> Path | None:
    if flags.binlog is None:
        return None
    try:
        folder = (process / "cwd").readlink() / flags.binlog
        # Of a server in a root of its own, the path means another place.
        here = (process / "root").readlink() == Path("/")
    except OSError:  # somebody else's process: an absolute path will do
        folder, here = Path(flags.binlog), True
    return folder if here and folder.is_absolute() else None


def _most_files(process: Path) -> int | None:
    try:
        text = (process / "limits").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return int(soft) if soft.isdigit() else None
    return None


def listens_everywhere(port: int, tables: Sequence[str] | None = None) -> bool | None:
    """Tell whether a TCP port of this host is open on all its addresses; None if not known.

    `tables` are texts as in /proc/net/tcp and /proc/net/tcp6, proc_net_tcp in the kernel's docs.
    """
    addresses = []
    for table in _read_tables() if tables is None else tables:
        for line in table.splitlines()[1:]:
            fields = line.split()
            address, _, found = fields[1].partition(":")
            if fields[3] == _LISTENING and int(found, 16) == port:
                addresses.append(address)
    return any(not address.strip("0") for address in addresses) if addresses else None


def _read_tables() -> list[str]:
    found = []
    for name in ("tcp", "tcp6"):
        try:
            found.append(Path("/proc/net", name).read_text(encoding="ascii", errors="replace"))
        except OSError:
            continue
    return found
