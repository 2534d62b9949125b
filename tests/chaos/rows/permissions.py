"""O1: the queue's file and folder are its owner's alone, whatever the umask and whatever was there.

Each case is made before the first publish of a process of its own; either the file is made with the
modes that it must have, or it is refused, and nothing that stood there was followed or changed.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.chaos.row import Row
from tests.chaos.trial import Trial
from tests.lab.processes import environment

SOMEBODY = 65_534  # nobody's, and not ours
OUT_OF_REACH = 4


def act(trial: Trial) -> None:
    """Try each umask, then each thing that may be in the way."""
    for umask in (0o000, 0o022, 0o077):
        _made_private(trial, umask)
    for name, prepare in CASES.items():
        _refused(trial, name, prepare)
    trial.must(trial.counted["refused"] == trial.figures["cases"], "every case was tried")


def _publish(folder: Path, file: Path, *, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
    """Publish one job as a program of its own does, with a umask."""
    return subprocess.run(
        [sys.executable, "-m", "pulpo", "publish", "ledger.note", "{}"],
        cwd=folder,
        env=environment(f"sqlite:///{file}", folder),
        umask=umask,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _made_private(trial: Trial, umask: int) -> None:
    folder = trial.folder / f"umask-{umask:03o}"
    folder.mkdir(mode=0o700)
    file = folder / "made" / "queue.db"
    said = _publish(folder, file, umask=umask)
    trial.must(said.returncode == 0, f"umask {umask:03o}: {said.stderr}")
    for path in [file.parent, *file.parent.rglob("*")]:
        mode = path.lstat().st_mode
        wanted = 0o700 if stat.S_ISDIR(mode) else 0o600
        trial.must(stat.S_IMODE(mode) == wanted, f"umask {umask:03o}: {path.name} {mode:o}")
    trial.count("private")


def _refused(trial: Trial, name: str, prepare: Callable[[Path], Path]) -> None:
    folder = trial.folder / name.replace(" ", "-")
    folder.mkdir(mode=0o700)
    file = prepare(folder)
    before = _seen(trial.folder)
    said = _publish(folder, file)
    trial.must(said.returncode == OUT_OF_REACH, f"{name}: exit code {said.returncode}")
    trial.must(said.stderr.count("\n") == 1, f"{name}: one line, not {said.stderr!r}")
    trial.must(not said.stdout, f"{name}: no id was printed")
    trial.must(_seen(trial.folder) == before, f"{name}: nothing was made, followed or changed")
    trial.count("refused")


def _seen(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Return everything below a folder, with its kind, mode, owner and bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        seen = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(seen.st_mode) else b""
        found[str(path)] = (seen.st_mode, seen.st_uid, seen.st_size, data)
    return found


def _link_to_a_file(folder: Path) -> Path:
    target = folder / "target.db"
    target.write_bytes(b"")
    target.chmod(0o600)
    (folder / "queue.db").symlink_to(target)
    return folder / "queue.db"


def _dangling_link(folder: Path) -> Path:
    (folder / "queue.db").symlink_to(folder / "would-be-made.db")
    return folder / "queue.db"


def _link_among_the_locks(folder: Path) -> Path:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (folder / "queue.db").touch(0o600)
    (folder / "queue.db.d").symlink_to(elsewhere)
    return folder / "queue.db"


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "queue.db", 0o600)
    return folder / "queue.db"


def _folder(folder: Path) -> Path:
    (folder / "queue.db").mkdir(mode=0o700)
    return folder / "queue.db"


def _file_of_somebody(folder: Path) -> Path:
    (folder / "queue.db").touch(0o600)
    os.chown(folder / "queue.db", SOMEBODY, SOMEBODY)
    return folder / "queue.db"


def _folder_of_somebody(folder: Path) -> Path:
    (folder / "theirs").mkdir(mode=0o700)
    os.chown(folder / "theirs", SOMEBODY, SOMEBODY)
    return folder / "theirs" / "queue.db"


def _file_that_others_write(folder: Path) -> Path:
    (folder / "queue.db").touch(0o600)
    (folder / "queue.db").chmod(0o662)
    return folder / "queue.db"


def _folder_that_a_group_writes(folder: Path) -> Path:
    (folder / "shared").mkdir()
    (folder / "shared").chmod(0o770)
    return folder / "shared" / "queue.db"


def _folder_that_all_write(folder: Path) -> Path:
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    return folder / "open" / "queue.db"


CASES: dict[str, Callable[[Path], Path]] = {
    "a link to a file": _link_to_a_file,
    "a link to nothing": _dangling_link,
    "a link among the locks": _link_among_the_locks,
    "a fifo": _fifo,
    "a folder": _folder,
    "a file of somebody": _file_of_somebody,
    "a folder of somebody": _folder_of_somebody,
    "a file that others write": _file_that_others_write,
    "a folder that a group writes": _folder_that_a_group_writes,
    "a folder that all write": _folder_that_all_write,
}

ROWS = [
    Row(
        name="O1",
        says="modes, owners and links of the queue's file",
        passes="0600 in 0700, or refused in one line; nothing followed or changed",
        act=act,
        short={"cases": len(CASES)},
        full={"cases": len(CASES)},
        engines=("sqlite",),
        needs=("root",),
    )
]
