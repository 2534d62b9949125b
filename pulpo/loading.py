"""Importing the modules that hold handlers, and saying in a person's words why one does not load.

Knows no queue and no worker. What a module registers while it is imported is not looked at here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from pulpo.errors import LoadError
from pulpo.spelling import closest

if TYPE_CHECKING:
    from traceback import TracebackException

__all__ = ["check_module_name", "explain", "import_modules", "make_folder_importable"]

_OWN_FOLDER = str(Path(__file__).parent) + "/"


def make_folder_importable(folder: Path | None = None) -> None:
    """Put the current folder first on `sys.path`, where a console script does not have it.

    Another folder comes second: the code that its settings file names is beside it.
    """
    here = str(Path.cwd())
    if not {here, ""} & set(sys.path):
        sys.path.insert(0, here)
    if folder is not None and folder != Path(here) and str(folder) not in sys.path:
        sys.path.insert(1, str(folder))


def check_module_name(name: str) -> str:
    """Return a module's name; for a file's name or nonsense, say what to write instead."""
    if all(part.isidentifier() for part in name.split(".")) and not name.endswith(".py"):
        return name
    path = PurePath(name)
    parts = [*path.parts[:-1], path.name.removesuffix(".py")]
    if all(part.isidentifier() for part in parts):
        written = ".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts)
        raise LoadError(f"write the module's name, {written!r}, not the name of its file: {name!r}")
    raise LoadError(f"a module's name is like 'tasks' or 'shop.tasks': {name!r}")


def import_modules(names: Iterable[str]) -> None:
    """Import each module; raises `LoadError` for the first that is not there or that fails.

    A module that is not there is a wrong name, with the nearest right one if there is one; a
    module that fails is shown with its own traceback, without the frames that led to it.
    """
    for name in names:
        check_module_name(name)
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise explain(f"module {name!r} does not import", error) from error
            raise LoadError(_no_module(name)) from None
        # Anything may come out of foreign code, sys.exit() without a main guard too.
        except (Exception, SystemExit) as error:
            raise explain(f"module {name!r} does not import", error) from error


def explain(what: str, error: BaseException) -> LoadError:
    """Return the error for foreign code that fails: its traceback, and a line that says `what`."""
    from traceback import TracebackException  # noqa: PLC0415  # for an error's sake

    trace = TracebackException.from_exception(error)
    _keep_foreign_frames(trace, set())
    summary = f"{type(error).__name__}: {error}".rstrip(": ").partition("\n")[0]
    line = f"{what}: {summary}"
    return LoadError(line, shown="".join(trace.format()) + line, exit_code=1)


def _keep_foreign_frames(trace: TracebackException | None, seen: set[int]) -> None:
    if trace is None or id(trace) in seen:
        return
    seen.add(id(trace))
    # In place: a StackSummary is a list, and a filtered plain list could not format itself.
    trace.stack[:] = [frame for frame in trace.stack if not _is_machinery(frame.filename)]
    _keep_foreign_frames(trace.__cause__, seen)
    _keep_foreign_frames(trace.__context__, seen)
    for inner in trace.exceptions or ():
        _keep_foreign_frames(inner, seen)


def _is_machinery(filename: str) -> bool:
    is_importlib = filename.startswith("<frozen importlib") or "/importlib/__init__" in filename
    return is_importlib or filename.startswith(_OWN_FOLDER)


def _no_module(name: str) -> str:
    candidates = sorted(_modules_below(Path.cwd()))
    close = closest(name, candidates)
    # A module that is written without its package is too far away to look like it.
    inside = [found for found in candidates if found.endswith(f".{name}")]
    if close or inside:
        return f"no module {name!r}; did you mean {close or inside[0]!r}?"
    known = ", ".join(candidates[:8])
    return f"no module {name!r} here; this folder has {known or 'no modules'}"


def _modules_below(folder: Path) -> Iterator[str]:
    """Names of the modules in a folder and in its packages, two levels down."""
    for path in (
        path for deep in ("", "*/", "*/*/") for path in sorted(folder.glob(f"{deep}*.py"))
    ):
        parts = path.relative_to(folder).with_suffix("").parts
        if all(part.isidentifier() for part in parts):
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
