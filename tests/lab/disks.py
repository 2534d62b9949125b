"""A disk of a test's own that is small: what is on it can fill it up.

Needs the right to mount, as root has it outside of most containers.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["can_mount", "grow", "small_disk"]


@contextlib.contextmanager
def small_disk(folder: Path, *, size: str) -> Iterator[Path]:
    """Mount a disk in memory at a folder, which is made; `size` as mount(8) takes it, as `1m`.

    Raises `PermissionError` without the right to mount.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        raise PermissionError(mounted.stderr.decode(errors="replace").strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def grow(folder: Path, *, size: str) -> None:
    """Give a small disk another size, while it is in use."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


@cache
def can_mount() -> bool:
    """Tell whether this process may mount a disk."""
    with tempfile.TemporaryDirectory() as place:
        try:
            with small_disk(Path(place) / "disk", size="64k"):
                return True
        except (PermissionError, FileNotFoundError):
            return False
