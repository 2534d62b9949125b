"""Libraries to preload into a program, which change what the system does for it; built when needed.

Needs a C compiler and Linux; knows no library's purpose.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["built", "find_compiler"]


def find_compiler() -> str | None:
    """Return the path of a C compiler, None where there is none."""
    return shutil.which("cc") or shutil.which("gcc")


@cache
def built(name: str, source: str) -> Path:
    """Return the path of a library made of a C program; it is there until this process ends."""
    compiler = find_compiler()
    if compiler is None:
        raise FileNotFoundError("no C compiler is installed (apt install gcc)")
    code, library = Path(_folder().name, f"{name}.c"), Path(_folder().name, f"{name}.so")
    code.write_text(source, encoding="utf-8")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(code), "-ldl"],
        check=True,
        timeout=60,
    )
    return library


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="preload-")
