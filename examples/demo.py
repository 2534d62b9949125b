"""The three scenarios of the product page, end to end: `./dev demo` or `python -m examples.demo`.

Runs on the file queue, and again on beanstalkd where that is installed, with the same commands
that a person would type: a publisher, a worker, `pulpo stats`. Believes no log: what was promised
is counted in the files and databases that the jobs made. Exit code 0 only if all of it is there.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 25.0  # seconds that a scenario may take before the demo gives up on it
COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
ENDINGS = {  # how a run may end, as the worker's log calls it
    "success": "green",
    "retried": "yellow",
    "snoozed": "yellow",
    "cancelled": "cyan",
    "expired": "cyan",
    "buried": "red",
    "lost": "red",
}
Check = tuple[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One story: what publishes it, what runs it, and how to see that it came true.

    `rests` is how many jobs are left (delayed, buried) when all is done, `schedule` what is
    published again and again from then on.
    """

    title: str
    name: str
    publisher: str
    options: Sequence[str] = ()
    rests: tuple[int, int]
    schedule: str = ""
    proof: Callable[[Path], Iterator[Check]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A queue to run on, and the folder where the scenarios leave their files."""

    url: str
    folder: Path

    def environment(self) -> Mapping[str, str]:
        """What publisher and worker are told: which queue, and where to write."""
        return {
            **os.environ,
            "PULPO_URL": self.url,
            "EXAMPLES_OUT": str(self.folder),
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, *words: str) -> str:
        """Run one Python module to its end and return what it wrote."""
        command = [sys.executable, "-m", *words]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode:  # else it only talks, of a queue that is empty by now
            say(indent(done.stderr))
            done.check_returncode()
        return done.stdout.rstrip()

    def rows(self, database: str, query: str) -> list[tuple[Any, ...]]:
        """Ask a database that a scenario made."""
        with contextlib.closing(sqlite3.connect(self.folder / database)) as db:
            return db.execute(query).fetchall()


def main() -> int:
    """Run everything; return the exit code."""
    started = time.monotonic()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ✓ is no reason to fail
    folder = Path(tempfile.mkdtemp(prefix="pulpo-demo-"))
    say(paint("bold", "pulpo: three scenarios, real jobs, real workers"))
    file_queue = Place(url=f"sqlite:///{folder}/queue.db", folder=folder / "file")
    good = run_all("the file queue, no server at all", file_queue)
    if server := shutil.which(
        "beanstalkd", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin"
    ):
        with beanstalkd(server) as url:
            # Where its workers agree who publishes a report.
            url += f"?side=sqlite:///{folder}/side.db"
            good &= run_all("beanstalkd", Place(url=url, folder=folder / "beanstalkd"))
    else:
        say("\nbeanstalkd is not installed: only the file queue was shown.")
    say()
    took = f"{time.monotonic() - started:.0f} s"
    say(
        paint("green", f"Everything that was promised is there ({took}).")
        if good
        else paint("red", f"Something is missing, see ✗ above ({took}).")
    )
    farewell(file_queue)
    return 0 if good else 1


def run_all(what: str, place: Place) -> bool:
    """Run the scenarios on one queue; True if all of them came true."""
    say()
    say(paint("bold", f"━━ on {what} ") + paint("dim", place.url))
    results = [run_scenario(number, it, place) for number, it in enumerate(SCENARIOS, 1)]
    return all(results)


def run_scenario(
    number: int, scenario: Scenario, place: Place, *, patience: float = PATIENCE
) -> bool:
    """Publish, work, and prove; True if it came true within so many seconds."""
    say()
    say(paint("bold", f"{number}. {scenario.title}"))
    try:
        publisher = f"examples.{scenario.name}.{scenario.publisher}"
        say(paint("dim", f"   $ python -m {publisher}"))
        say(indent(place.run(publisher)))
        words = ("pulpo", "worker", f"examples.{scenario.name}.tasks", *scenario.options)
        say(paint("dim", f"   $ python -m {' '.join(words)}"))
        with worker(place, words) as process:
            wait_until_rest(place, scenario, patience, process)
        say(paint("dim", f"   $ python -m pulpo stats {scenario.name}"))
        say(indent(place.run("pulpo", "stats", scenario.name)))
        checks = [at_rest(place, scenario), *scenario.proof(place.folder / scenario.name)]
        if scenario.schedule:
            checks.append(due_again(place, scenario.schedule))
    except (subprocess.SubprocessError, TimeoutError, OSError, sqlite3.Error) as error:
        checks = [(f"{type(error).__name__}: {error}", False)]
    for text, holds in checks:
        say("   " + (paint("green", f"✓ {text}") if holds else paint("red", f"✗ {text}")))
    return all(holds for _, holds in checks)


def due_again(place: Place, name: str) -> Check:
    """Tell when a schedule is due next, as its worker has left word."""
    say(paint("dim", f"   $ python -m pulpo schedules show {name}"))
    found = json.loads(place.run("pulpo", "schedules", "show", name, "--json"))
    say(indent(place.run("pulpo", "schedules", "show", name)))
    coming = found["next"][0]
    return f"the next report is due at {coming}", coming.endswith(":00:00Z")


@contextlib.contextmanager
def worker(place: Place, words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Keep a worker running, showing its log; end it as a service manager does, by SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", *words, "--log-format", "json"],
        cwd=ROOT,
        env=place.environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    reader = threading.Thread(target=show_log, args=(process.stderr,))
    reader.start()
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=PATIENCE)
        process.kill()  # does nothing to one that has ended
        code = process.wait()
        reader.join()
        process.stderr.close()
    if code:
        raise subprocess.CalledProcessError(code, " ".join(words))


def show_log(lines: Iterator[str]) -> None:
    """Show what became of each job; of the worker itself only what went wrong."""
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            say("   " + paint("red", line.rstrip()))
            continue
        ending = found.get("event")
        if ending in ENDINGS:
            say(
                f"     {found['type']:<15} {paint('dim', found['id'][-8:])} "
                f"run {found['attempt']} {found['duration'] * 1000:7.1f} ms  "
                f"{paint(ENDINGS[ending], f'{ending:<9}')} "
                f"{paint('dim', in_short(found.get('reason', '')))}".rstrip()
            )
        elif found.get("level") in ("ERROR", "CRITICAL"):
            say("   " + paint("red", line.rstrip()))


def in_short(text: str) -> str:
    """Return a reason that fits beside the rest: without module names, and not too long."""
    bare = re.sub(r"\b(?:\w+\.)+(?=[A-Z]\w*:)", "", text)
    return bare if len(bare) <= 76 else f"{bare[:75]}…"


def wait_until_rest(
    place: Place, scenario: Scenario, patience: float, process: subprocess.Popen[str]
) -> None:
    """Wait until nothing runs or is about to; raises `TimeoutError` once that is hopeless."""
    deadline = time.monotonic() + patience
    while not at_rest(place, scenario)[1]:
        if time.monotonic() > deadline or process.poll() is not None:
            raise TimeoutError(at_rest(place, scenario)[0])
        time.sleep(0.2)


def at_rest(place: Place, scenario: Scenario) -> Check:
    """Tell what is left in the queue, by `pulpo stats`."""
    found = json.loads(place.run("pulpo", "stats", scenario.name, "--json"))
    counts = found["queues"][scenario.name]
    delayed, buried = scenario.rests
    expected = {"ready": 0, "delayed": delayed, "reserved": 0, "buried": buried}
    left = ", ".join(f"{counts[state]} {state}" for state in expected)
    return f"the queue holds {left}", {state: counts[state] for state in expected} == expected


def prove_orders(folder: Path) -> Iterator[Check]:
    """Four orders go through, one is sold out, one card is declined; nobody pays twice."""
    place = Place(url="", folder=folder)
    found = dict(place.rows("shop.db", "SELECT status, COUNT(*) FROM purchase GROUP BY status"))
    expected = {"confirmed": 4, "sold out": 1, "reserved": 1}
    yield "4 orders confirmed, 1 sold out, 1 card declined: a person must look", found == expected
    pdfs = [path.read_bytes() for path in sorted((folder / "invoices").glob("*.pdf"))]
    whole = [pdf for pdf in pdfs if pdf.startswith(b"%PDF-") and pdf.endswith(b"%%EOF\n")]
    yield f"{len(whole)} invoices in {folder}/invoices/", len(whole) == 4
    mails = [message_from_bytes(path.read_bytes()) for path in (folder / "outbox").glob("*.eml")]
    attached = [mail for mail in mails if mail.is_multipart() and len(mail.get_payload()) == 2]
    yield f"{len(attached)} mails with the invoice in {folder}/outbox/", len(attached) == 4
    asked = len(place.rows("bank.db", "SELECT key FROM request"))
    moved = len(place.rows("bank.db", "SELECT key FROM charge"))
    yield (
        f"{asked} requests for payment, {moved} payments: retried, not doubled",
        moved == 4 < asked,
    )


def prove_pharmacy(folder: Path) -> Iterator[Check]:
    """Six orders checked, the STAT ones first; one expired, two are for a person."""
    place = Place(url="", folder=folder)
    found = place.rows("records.db", "SELECT order_number, decision FROM checked ORDER BY nr")
    order = [str(row[0]).removeprefix("ORD-") for row in found]
    yield (
        f"6 orders checked, STAT first: {', '.join(order)}",
        len(order) == 6
        and order[:2]
        == [
            "1008",
            "1009",
        ],
    )
    decisions = [row[1] for row in found]
    counts = {name: decisions.count(name) for name in ("clear", "review", "hold")}
    shown = ", ".join(f"{number} {name}" for name, number in counts.items())
    yield f"{shown}, in {folder}/records.db", counts == {"clear": 1, "review": 2, "hold": 3}
    findings = place.rows("records.db", "SELECT text FROM finding ORDER BY severity, text")
    yield f"for one: {findings[0][0]}" if findings else "no findings", len(findings) >= 5
    yield "order 1006 was over and expired unchecked", "1006" not in order


def prove_metrics(folder: Path) -> Iterator[Check]:
    """Three reports, caught up one after another, with every request counted."""
    pages = sorted((folder / "reports").glob("*.html"))
    charts = [path for path in pages if "<polyline" in path.read_text(encoding="utf-8")]
    yield f"{len(charts)} reports with a chart in {folder}/reports/", len(charts) == 3
    rows = [
        line.split(",")
        for path in sorted((folder / "reports").glob("*.csv"))
        for line in path.read_text(encoding="utf-8").splitlines()[1:]
    ]
    total = sum(int(row[2]) for row in rows)
    yield f"{total} of 9000 lines counted, 3 were broken", total == 8997


SCENARIOS = (
    Scenario(
        title="A customer has bought something: stock, payment, invoice, mail",
        name="orders",
        publisher="buy",
        options=("--processes", "2"),
        rests=(0, 1),
        proof=prove_orders,
    ),
    Scenario(
        title="Medication orders are pending: check them, the urgent ones first",
        name="pharmacy",
        publisher="receive",
        options=("--processes", "1", "--threads", "1"),
        rests=(0, 2),
        proof=prove_pharmacy,
    ),
    Scenario(
        title="Metric data has come in: a report an hour, published by the workers themselves",
        name="metrics",
        publisher="start",
        options=("--processes", "1"),
        rests=(0, 0),
        schedule="metrics.report",
        proof=prove_metrics,
    ),
)


@contextlib.contextmanager
def beanstalkd(server: str) -> Iterator[str]:
    """Start a beanstalkd of our own on a free port of this host, and end it by its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([server, "-l", "127.0.0.1", "-p", str(port)])
    try:
        deadline = time.monotonic() + 5
        while not is_open(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"{server} does not listen on port {port}")
            time.sleep(0.02)
        yield f"beanstalkd://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def is_open(port: int) -> bool:
    """Tell whether somebody listens on a port of this host."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def farewell(place: Place) -> None:
    """Say what to try next, on the queue that the demo leaves behind."""
    say(f"The files and the queue are still there, in {place.folder.parent}. Try next:\n")
    for command in (
        f"export PULPO_URL={place.url} EXAMPLES_OUT={place.folder}",
        ". .venv/bin/activate",
        "pulpo stats",
        "pulpo jobs list --state buried",
        "pulpo jobs show ID                    # one of these, with its error",
        "pulpo jobs kick --all -q orders       # one more run",
        "python -m examples.orders.buy",
        "pulpo worker examples.orders.tasks    # Ctrl-C ends it",
    ):
        say(f"   {command}")
    say("\nYour own jobs in ten minutes: docs/tutorial/first-jobs.md.")
    say("More programs to read and to run: examples/README.md.")


def paint(style: str, text: str) -> str:
    """Colour a text for a terminal; leave it plain for a file, and where NO_COLOR is set."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if plain or not text or not sys.stdout.isatty():
        return text
    return f"\x1b[{COLOURS[style]}m{text}\x1b[0m"


def indent(text: str) -> str:
    """Return a text set off from ours."""
    return "\n".join(f"     {line}" for line in text.splitlines())


def say(text: str = "") -> None:
    """Write one line, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
