"""How often a program syncs a file to the disk, as the kernel sees it (strace)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.lab.needs import need

__all__ = ["count_syncs"]


def count_syncs(program: str, *arguments: str, trace: Path) -> int:
    """Run a Python program; return how often it syncs between its BEGIN and END on stderr.

    Without strace the test is skipped, but fails where CI is set: that a job is on the disk
    before its publish returns is a promise, and a promise is not left unproven there.
    """
    need("strace")
    command = ["strace", "-f", "-o", str(trace), "-e", "trace=fsync,fdatasync,write"]
    subprocess.run(
        [*command, sys.executable, "-c", program, *arguments], check=True, capture_output=True
    )
    between = re.search(r'"BEGIN\\n"(.*)"END\\n"', trace.read_text(), re.DOTALL)
    assert between is not None, "the program did not say BEGIN and END"
    return len(re.findall(r"\bf(?:data)?sync\(", between[1]))
