"""A look at a queue file for `pulpo doctor`: its place, its settings, its health.

Makes nothing and writes nothing. The file and its companions are only ever opened by SQLite, and
not before their place has been found safe.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from pulpo.adapters.sqlite import census
from pulpo.adapters.sqlite.company import company_at
from pulpo.adapters.sqlite.connecting import MOST_WAL_BYTES
from pulpo.adapters.sqlite.owners import dead_among
from pulpo.adapters.sqlite.place import (
    check_file,
    check_folder,
    check_side,
    file_system,
    is_network,
    side_folder,
)
from pulpo.adapters.sqlite.room import LEAST_FREE
from pulpo.adapters.sqlite.rows import Moment
from pulpo.adapters.sqlite.schema import APPLICATION_ID, STEPS
from pulpo.adapters.sqlite.troubles import is_damage, not_opened, translated
from pulpo.checkup import Finding, Level, fault, judge_disk, judge_queues, note, ok, warning
from pulpo.clock import Clock
from pulpo.duration import as_text
from pulpo.errors import QueueUnavailableError
from pulpo.identity import published_at

__all__ = ["examine", "judge_library"]

_PATIENCE = 2.0
_CHECKING = 5.0
_STEPS_BETWEEN_LOOKS = 20_000
_CLOCK_LIMIT = 5.0
_FIXED = (3, 51, 3)
_NEWEST = "SELECT id FROM jobs ORDER BY number DESC LIMIT 1"


def examine(path: Path, *, durable: bool, clock: Clock) -> Iterator[Finding]:
    """Yield what a look at the file finds; raises `QueueError` where it can't be used now."""
    unsafe = False
    try:
        for finding in _place(path):
            unsafe = unsafe or (finding.level is Level.FAULT and finding.name != "disk")
            yield finding
    except OSError as error:
        raise not_opened(error, path) from error
    yield judge_library(sqlite3.sqlite_version_info)
    yield _sync(durable)
    if unsafe or not os.path.lexists(path):
        return
    try:
        with _opened(path) as connection:
            yield from _inside(connection, path, clock)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise translated(error, path) from error
        yield _damaged(str(error))


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    side = side_folder(path)
    # Where there is no folder of locks, no pulpo has the file open; and none is made here.
    if not side.is_dir():
        with closing(_connected(path)) as connection:
            yield connection
        return
    company = company_at(path)
    try:
        connection = company.open(lambda: _connected(path))
    except OSError as error:
        raise not_opened(error, path) from error
    try:
        yield connection
    finally:
        company.close(connection)


def _connected(path: Path) -> sqlite3.Connection:
    # Not read-only: SQLite then leaves its companions behind when it closes.
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw", uri=True, timeout=_PATIENCE, isolation_level=None
    )
    try:
        for pragma in ("query_only = ON", "wal_autocheckpoint = 0", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


# Where it is


def _place(path: Path) -> Iterator[Finding]:
    folder = path.parent
    if os.path.lexists(path):
        size = path.lstat().st_size
        yield _checked("file", lambda: check_file(path), f"{str(path)!r}, {size / 2**20:,.1f} MB")
    else:
        yield note(
            "file",
            f"nothing there yet: {str(path)!r}",
            "the first publish or worker makes the file, and its folder where that is missing",
        )
    if folder.exists():
        yield _checked("folder", lambda: check_folder(folder), f"{str(folder)!r}, safe")
    if os.path.lexists(side_folder(path)):
        yield _checked("locks", lambda: check_side(side_folder(path)), "theirs alone")
    yield _readers(path)
    yield _kind(_existing(folder))
    found = os.statvfs(_existing(folder))
    yield judge_disk(
        found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, least=LEAST_FREE
    )


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _checked(name: str, check: Callable[[], object], found: str) -> Finding:
    why = "who can write the queue file, replace it or hold its locks can put jobs and take them "
    why += "away; so pulpo refuses to open it"
    try:
        check()
    except QueueUnavailableError as error:
        return fault(name, str(error), why, "give the file a folder that is its user's alone")
    return ok(name, found, why)


def _readers(path: Path) -> Finding:
    """Judge who can read the jobs, and whether the log can be written by others."""
    why = "the file and its -wal hold the bodies of all jobs"
    modes = {}
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        beside = path.with_name(name)
        # Of a link the mode says nothing, and a folder is not a file of ours: `file` says so.
        if os.path.lexists(beside) and stat.S_ISREG(beside.lstat().st_mode):
            modes[name] = stat.S_IMODE(beside.lstat().st_mode)
    shown = ", ".join(f"{name} {mode:04o}" for name, mode in modes.items()) or "no files yet"
    do = f"chmod 600 {path.name}* in {str(path.parent)!r}, and start its processes anew"
    if any(mode & 0o022 for mode in modes.values()):
        return fault("permissions", f"others can write: {shown}", why, do)
    enter = stat.S_IMODE(path.parent.stat().st_mode) & 0o011 if modes else 0
    if enter and any(mode & 0o044 for mode in modes.values()):
        return warning("permissions", f"others can read: {shown}", why, do)
    return ok("permissions", shown, why)


def _kind(folder: Path) -> Finding:
    why = "SQLite's locks and shared memory work only among the processes of one host"
    kind = file_system(folder)
    if not kind:
        return note("file-system", "cannot be known here", why, "see that it is a local disk")
    if is_network(kind):
        do = "move the file to a local disk, or use beanstalkd for several hosts"
        return fault("file-system", f"{kind}, which is on the network", why, do)
    return ok("file-system", kind, why)


# How it is written


def judge_library(version: tuple[int, ...]) -> Finding:
    """Judge the version of SQLite that this Python has."""
    shown = ".".join(map(str, version))
    why = "SQLite 3.7.0 to 3.51.2 can damage a file when two checkpoints race with a commit; pulpo "
    why += "makes checkpoints only while it keeps every writer out, other programs may not"
    if version >= _FIXED:
        return ok("sqlite", shown, why)
    do = "let no other program write the file; 3.51.3 or newer is free of it"
    return note("sqlite", f"{shown}, which has the WAL-reset bug", why, do)


def _sync(durable: bool) -> Finding:
    why = "what is not synced may be gone after a power cut"
    if durable:
        return ok("sync", "full: a publish is on the disk when it returns", why)
    do = "leave `sync=normal` out of the URL, if a power cut must take nothing"
    return note("sync", "normal: a publish survives killed processes, not a power cut", why, do)


# What is in it


def _inside(connection: sqlite3.Connection, path: Path, clock: Clock) -> Iterator[Finding]:
    schema = _schema(connection)
    yield schema
    yield _journal(connection)
    yield _log(path)
    yield _integrity(connection, clock)
    if schema.level is Level.FAULT or not _has_jobs(connection):
        return
    yield _clock(connection, clock)
    yield from _work(connection, path, clock)


def _schema(connection: sqlite3.Connection) -> Finding:
    why = "old workers read newer files as long as they know the version; nobody writes a file "
    why += "that is not a queue of pulpo"
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not (application or version or tables):
        return note("schema", "an empty file, not a queue yet", why)
    if application != APPLICATION_ID:
        do = "give the queue another file: the URL names this one"
        return fault("schema", "a SQLite file, but not a queue of pulpo", why, do)
    if version > len(STEPS):
        found = f"version {version}, this pulpo knows versions up to {len(STEPS)}"
        return fault("schema", found, why, "install the newer pulpo that has written it")
    if version < len(STEPS):
        found = f"version {version}, this pulpo writes {len(STEPS)}"
        return note("schema", found, why, "nothing: the next worker or publish brings it up")
    return ok("schema", f"version {version}", why)


def _has_jobs(connection: sqlite3.Connection) -> bool:
    found = connection.execute(
        "SELECT count(*) FROM sqlite_schema WHERE name IN ('jobs', 'owners', 'pauses')"
    )
    return bool(found.fetchone()[0] == 3)


def _journal(connection: sqlite3.Connection) -> Finding:
    why = "only with a write-ahead log do readers and writers not stop each other"
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode == "wal":
        return ok("journal", mode, why)
    do = "stop its processes and run `sqlite3 FILE 'PRAGMA journal_mode = WAL'`"
    return warning("journal", f"{mode}: somebody has changed it", why, do)


def _log(path: Path) -> Finding:
    why = "the log grows while somebody keeps an old picture of the file open, and slows reading"
    try:
        size = os.stat(f"{path}-wal").st_size  # noqa: PTH116  # a name beside the file's
    except FileNotFoundError:
        size = 0
    found = f"{size / 2**20:,.1f} MB"
    if size <= 2 * MOST_WAL_BYTES:
        return ok("log", found, why)
    do = "look for a program that reads in one long transaction: `fuser FILE-wal` names who has it"
    return warning("log", found, why, do)


def _integrity(connection: sqlite3.Connection, clock: Clock) -> Finding:
    why = "damage spreads: what cannot be read cannot be run"
    deadline = clock.monotonic() + _CHECKING
    connection.set_progress_handler(lambda: clock.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
    try:
        said = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_INTERRUPT:
            raise
        do = "run `sqlite3 FILE 'PRAGMA quick_check'` when there is little to do"
        return note("integrity", f"not all of it seen within {_CHECKING:g} s: too big", why, do)
    finally:
        connection.set_progress_handler(None, 0)
    if said == ["ok"]:
        return ok("integrity", "every page was read", why)
    return _damaged("; ".join(str(line).replace("\n", " ") for line in said))


def _damaged(said: str) -> Finding:
    return fault(
        "integrity",
        f"the file is damaged: {said[:300]}",
        "damage spreads: what cannot be read cannot be run",
        "stop every process that uses it, and run `pulpo doctor --salvage NEWFILE`; it may have "
        "been copied without its -wal, moved or linked while open, or the disk fails",
    )


def _clock(connection: sqlite3.Connection, clock: Clock) -> Finding:
    why = "dates and expiry go by this host's clock"
    row = connection.execute(_NEWEST).fetchone()
    made = None if row is None else published_at(str(row[0]))
    ahead = 0.0 if made is None else made - clock.wall()
    if ahead <= _CLOCK_LIMIT:
        return ok("clock", "no job comes from the future", why)
    found = f"the newest job was published {as_text(float(round(ahead)))} from now"
    do = "the clock was set back: let chrony or ntpd slew it, and step it only at the boot"
    return warning("clock", found, why, do)


def _work(connection: sqlite3.Connection, path: Path, clock: Clock) -> Iterator[Finding]:
    connection.execute("BEGIN")  # one picture for all its queries
    try:
        owners = [number for (number,) in connection.execute("SELECT number FROM owners")]
        dead = dead_among(connection, side_folder(path), owners)
        now = Moment.now(clock)
        names = census.queues(connection)
        counted = [census.stats(connection, name, now, dead) for name in names]
    finally:
        connection.execute("COMMIT")
    alive = len(owners) - len(dead)
    shown = f"{alive} worker process{'es' * (alive != 1)} alive"
    yield ok(
        "owners",
        shown + (f", {len(dead)} dead whose jobs others have" if dead else ""),
        "a worker's lock says whether it lives; a dead one's jobs are ready at once",
    )
    yield ok("queues", f"{len(names)}", "as many as you like: a queue costs nothing")
    yield from judge_queues(counted, () if alive else set(names), keeps_pause=True)
