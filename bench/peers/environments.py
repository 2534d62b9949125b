"""An environment for each library, made once and kept under `out/`; pulpo uses its own."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

from bench.crew import ROOT
from bench.peers.field import Peer

__all__ = ["NotInstalledError", "python_of", "versions_of"]

_ENVIRONMENTS = ROOT / "out" / "peers"


class NotInstalledError(Exception):
    """The package index, or the library's build, said no."""


def python_of(peer: Peer, folder: Path = _ENVIRONMENTS) -> Path:
    """Return the interpreter of a library's environment; makes it if it is not there."""
    if not peer.packages:
        return Path(sys.executable)
    place = folder / peer.module.removeprefix("with_")
    python, stamp = place / "bin" / "python", place / "installed"
    wanted = "\n".join(peer.packages)
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(place, clear=True, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run(
            [*command, *peer.packages], capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"pip ended with {done.returncode}"]
            raise NotInstalledError(f"{', '.join(peer.packages)}: {lines[-1]}")
        stamp.write_text(wanted)
    return python


def versions_of(python: Path) -> Mapping[str, str]:
    """Return what is installed beside an interpreter, with its versions."""
    command = [str(python), "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {entry["name"]: entry["version"] for entry in json.loads(done.stdout)}
