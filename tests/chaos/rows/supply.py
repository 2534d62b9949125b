"""P1: what a user installs is this source, needs what it says it needs, and is silent on import.

Whether a dependency has a known hole is asked of nobody here: that needs a service of the network.
There is no lock file and no list of parts (SBOM), and none is claimed.
"""

from __future__ import annotations

import ast
import base64
import csv
import email
import hashlib
import io
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.row import Row
from tests.chaos.trial import Trial

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# What only an extra brings, and the one place where it is needed: a package or a module.
_OF_EXTRAS = {
    "contract": {"pytest"},
    "committing/django.py": {"django"},
    "committing/sqlalchemy.py": {"sqlalchemy"},
    "contrib/django": {"asgiref", "django"},
    "contrib/flask.py": {"flask"},
    "contrib/otel.py": {"opentelemetry"},
    "contrib/outbox/django": {"asgiref", "django"},
    "contrib/outbox/sqlalchemy.py": {"sqlalchemy"},
    "contrib/sentry.py": {"sentry_sdk"},
    "periodic/calendar.py": {"cronsim"},
    "adapters/postgresql": {"psycopg"},
    "dashboard": {"jinja2", "markupsafe", "starlette", "uvicorn"},
    "worker/metrics.py": {"prometheus_client"},
}
# Beside the package, so that pytest loads nothing else with it; it imports pytest, which loads it.
_PLUGIN = "pytest_pulpo.py"
# What people can read, the pages of the dashboard among it.
_READABLE = {"", ".py", ".typed", ".css", ".js", ".svg", ".html"}

# Imports all of pulpo but the contract suite and what stands on a foreign SDK, and prints what
# of the network it touched, and whether a look at the network would have been seen.
_IMPORTS = """
import importlib, pkgutil, socket, sys
seen = []
def note(event, arguments):
    if event.startswith(("socket.", "urllib.", "http.", "ssl.")) or event == "subprocess.Popen":
        seen.append(event)
sys.addaudithook(note)
import pulpo
count = 0
for module in pkgutil.walk_packages(pulpo.__path__, "pulpo."):
    needs_more = ("pulpo.contract", "pulpo.contrib", "pulpo.committing.", "pulpo.__main__")
    if not module.name.startswith(needs_more):
        importlib.import_module(module.name)
        count += 1
for name in pulpo.__all__:
    getattr(pulpo, name)
touched = [event for event in seen if event != "socket.__new__"]
socket.socket().close()
try:
    socket.create_connection(("127.0.0.1", 1), 1)
except OSError:
    pass
print(count, "socket.connect" in seen, *touched)
"""


def act(trial: Trial) -> None:
    """Build the wheel as a release does, and read it."""
    wheel = _build(trial.folder)
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    info = f"{wheel.name.split('-')[0]}-{PROJECT['version']}.dist-info"
    code = {name: data for name, data in files.items() if not name.startswith(f"{info}/")}
    trial.count("files", len(files))
    _is_this_source(trial, code)
    _keeps_its_record(trial, files, info)
    _says_what_it_needs(trial, email.message_from_bytes(files[f"{info}/METADATA"]))
    trial.must(f"{info}/licenses/LICENSE" in files, "the wheel has its licence with it")
    entries = files[f"{info}/entry_points.txt"].decode()
    trial.must(
        re.findall(r"^(\S+) = (\S+)$", entries, re.MULTILINE)
        == [*PROJECT["scripts"].items(), *PROJECT["entry-points"]["pytest11"].items()],
        f"the wheel brings one command, and one plugin for pytest: {entries!r}",
    )
    _imports_what_it_declares(trial)
    _is_silent_on_import(trial, wheel)


def _build(folder: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        cwd=folder,
        capture_output=True,
        check=True,
        timeout=120,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def _is_this_source(trial: Trial, code: dict[str, bytes]) -> None:
    there = {
        str(path.relative_to(ROOT)): path.read_bytes()
        for path in (ROOT / _PLUGIN, *(ROOT / "pulpo").rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    for name in sorted(there.keys() ^ code.keys()):
        trial.must(False, f"{name} is in only one of source and wheel")
    for name in sorted(there.keys() & code.keys()):
        trial.must(there[name] == code[name], f"{name} is another one in the wheel")
    odd = [name for name in code if Path(name).suffix not in _READABLE]
    trial.must(not odd, f"nothing compiled or odd is in the wheel: {odd}")


def _keeps_its_record(trial: Trial, files: dict[str, bytes], info: str) -> None:
    """Compare every file with the hash that the wheel states for it."""
    rows = list(csv.reader(io.StringIO(files[f"{info}/RECORD"].decode())))
    trial.must({row[0] for row in rows} == files.keys(), "the record names exactly what is there")
    for name, claim, _ in rows:
        if name.endswith("/RECORD"):
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=")
        trial.must(claim == f"sha256={digest.decode()}", f"{name} has the hash that is recorded")
        trial.count("hashes")


def _says_what_it_needs(trial: Trial, metadata: email.message.Message) -> None:
    needs = [str(line) for line in metadata.get_all("Requires-Dist", [])]
    core = {_as_name(line): line.replace(" ", "") for line in needs if "extra ==" not in line}
    declared = {_as_name(line): line for line in PROJECT["dependencies"]}
    trial.must(core == declared, f"the wheel needs what is declared: {core}, {declared}")
    trial.must(
        set(declared) == {"click", "greenstalk", "msgpack", "wrapt"}, f"four it is: {declared}"
    )
    trial.must(metadata["Requires-Python"] == PROJECT["requires-python"], "and this Python")
    urls = [line for line in needs if "@" in line or "://" in line]
    trial.must(not urls, f"nothing is fetched from an address of its own: {urls}")


def _imports_what_it_declares(trial: Trial) -> None:
    declared = {_as_name(line) for line in PROJECT["dependencies"]}
    used: set[str] = set()
    for path in sorted((ROOT / "pulpo").rglob("*.py")):
        place = path.relative_to(ROOT / "pulpo")
        allowed = declared.union(*(_OF_EXTRAS.get(key, ()) for key in _keys(place)))
        found = set(_foreign(path))
        trial.must(found <= allowed, f"{path.name} imports what is declared: {found - allowed}")
        used |= found
    trial.must(declared <= used, f"what is declared is used: {declared - used}")


def _keys(place: Path) -> Iterator[str]:
    yield str(place)
    yield from map(str, place.parents)


def _foreign(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top != "pulpo" and top not in sys.stdlib_module_names:
                yield top


def _is_silent_on_import(trial: Trial, wheel: Path) -> None:
    # Out of the wheel itself, which Python imports from as it is.
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(wheel)!r})\n{_IMPORTS}"],
        cwd=trial.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count, would_be_seen, *touched = done.stdout.split()
    trial.count("modules imported", int(count))
    trial.must(would_be_seen == "True", "a look at the network would have been seen")
    trial.must(not touched, f"importing touches no network: {touched}")
    trial.must(int(count) > 50, f"all modules were imported, not {count}")


def _as_name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_-]", requirement, maxsplit=1)[0].lower()


ROWS = [
    Row(
        name="P1",
        says="what a user installs",
        passes="the wheel is this source, needs what it declares, touches no network on import",
        act=act,
        short={"wheels": 1},
        full={"wheels": 1},
        engines=("wheel",),
    )
]
