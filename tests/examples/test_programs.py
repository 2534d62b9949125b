"""One program for each use case that the three scenarios do not show."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import struct
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.examples.conftest import PATIENCE, ROOT, Stage
from tests.lab.beanstalkd import Beanstalkd, free_port


def wait_until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def fetch(url: str, data: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


@contextlib.contextmanager
def web(stage: Stage) -> Iterator[str]:
    port = free_port()
    words = ("uvicorn", "examples.webapp.app:app", "--port", str(port), "--log-level", "warning")
    with stage.running(*words):
        wait_until(lambda: is_open(port), "the web app")
        yield f"http://127.0.0.1:{port}"


def test_a_web_app_answers_at_once_and_a_worker_draws_the_chart(stage: Stage) -> None:
    form = {"title": "Waiting <times>", "values": [3.1, 2.4, 9.0, 4.4, 3.7]}
    with web(stage) as url:
        status, headers, _ = fetch(f"{url}/charts", json.dumps(form).encode())
        assert status == 202
        place = headers["location"]
        assert fetch(place)[0] == 202
        stage.burst("examples.webapp.tasks")
        status, headers, svg = fetch(place)

    assert (status, headers["content-type"]) == (200, "image/svg+xml")
    assert b"Waiting &lt;times&gt;" in svg
    assert svg.count(b"<rect") == 40


def test_a_web_app_says_when_a_request_does_not_fit_into_a_job(stage: Stage) -> None:
    with web(stage) as url:
        missing, _, _ = fetch(f"{url}/charts", b'{"title": "no values"}')
        values = [number / 7 for number in range(20_000)]
        too_big, _, _ = fetch(f"{url}/charts", json.dumps({"title": "", "values": values}).encode())
        form = b'{"title": "huge", "values": [1, 1%s]}' % (b"0" * 30)
        no_place, _, _ = fetch(f"{url}/charts", form)

    assert (missing, too_big, no_place) == (422, 413, 422)


def test_reminders_are_sent_at_their_time_and_only_if_they_still_hold(stage: Stage) -> None:
    stage.python("examples.reminders.book")
    with stage.running("pulpo", "worker", "examples.reminders.tasks", "--processes", "1"):
        stage.wait_for("reminders", delayed=1)

    mails = (stage.folder / "reminders" / "outbox").glob("*.eml")
    assert sorted(mail.name.split("-")[0] for mail in mails) == ["checkup", "eyes"]


def test_a_picture_is_computed_by_two_workers(stage: Stage) -> None:
    words = ("pulpo", "worker", "examples.tiles.tasks", "--processes", "1", "--threads", "1")
    with stage.running(*words), stage.running(*words):
        stage.python("examples.tiles.start", "320", "240")
        stage.wait_for("tiles")

    png = (stage.folder / "tiles" / "mandelbrot-320x240.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", png[16:24]) == (320, 240)
    (size,) = struct.unpack(">I", png[33:37])
    pixels = zlib.decompress(png[41 : 41 + size])
    assert len(pixels) == 240 * 321
    assert set(pixels) >= {0, 255}
    strips = list((stage.folder / "tiles" / "mandelbrot-320x240").glob("*.strip"))
    assert len(strips) == 24
    assert len({strip.stem.rpartition("-")[2] for strip in strips}) == 2


def test_a_spike_is_absorbed_and_members_get_the_best_seats(stage: Stage) -> None:
    stage.python("examples.spike.rush", "400")
    assert stage.counts("spike")["ready"] == 420
    stage.burst("examples.spike.tasks", "--threads", "1")

    tickets = stage.rows("spike/tickets.db", "SELECT seat, buyer FROM ticket ORDER BY seat")
    buyers = [str(buyer) for _, buyer in tickets]
    assert [seat for seat, _ in tickets] == list(range(1, 61))
    assert buyers[:20] == [f"member-{n:02}" for n in range(20)]
    assert buyers[20:] == [f"guest-{n:04}" for n in range(40)]


def test_services_in_several_languages_work_together(
    beanstalkd: Beanstalkd, tmp_path: Path
) -> None:
    stage = Stage(beanstalkd.url, tmp_path)
    shop, folder = ROOT / "examples/services/shop", ROOT / "examples/services"
    publishers = [["bash", str(shop / "publish.sh"), "P-1002", "Berlin", "Oslo", "1.2"]]
    if shutil.which("node"):
        publishers.append(["node", str(shop / "publish.mjs"), "P-1001", "Berlin", "Lisbon", "2.5"])
    for words in publishers:
        assert "INSERTED" in stage.command(*words)
    options = ("--burst", "--processes", "1")
    stage.python("pulpo", "worker", *options, cwd=folder / "shipping")
    stage.python("pulpo", "worker", *options, cwd=folder / "billing")

    expected = {"P-1001": 757, "P-1002": 564}
    charges = dict(stage.rows("services/ledger.db", "SELECT parcel, cents FROM charge"))
    assert charges == {words[2]: expected[words[2]] for words in publishers}
    for parcel in charges:
        svg = (tmp_path / "services" / "labels" / f"{parcel}.svg").read_text(encoding="utf-8")
        assert svg.count("<rect") == 5 * len(f"*{parcel}*")


def test_a_digest_has_everything_that_gathered_for_a_person(stage: Stage) -> None:
    stage.python("examples.digest.talk")
    assert stage.counts("digest")["delayed"] == 3
    with stage.running("pulpo", "worker", "examples.digest.tasks", "--processes", "1"):
        stage.wait_for("digest")

    mails = [path.read_text() for path in (stage.folder / "digest" / "outbox").glob("*.eml")]
    assert len(mails) == 3
    assert [mail.count("answered you") for mail in mails] == [40, 40, 40]


def test_jobs_wait_for_a_service_that_is_down(stage: Stage) -> None:
    port = free_port()
    stage.environment["RATES_URL"] = f"http://127.0.0.1:{port}"
    stage.python("examples.rates.start")
    with stage.running("pulpo", "worker", "examples.rates.tasks", "--processes", "1"):
        wait_until(lambda: all_failed_once(stage), "the first failures")
        with stage.running("examples.rates.server", str(port)):
            stage.wait_for("rates", buried=1)

    table = (stage.folder / "rates" / "2026-01-02.csv").read_text().splitlines()
    assert len(table) == 1 + 4 * 3
    assert "2026-01-02,EUR,USD,1.1750" in table
    assert "2026-01-02,USD,EUR,0.8511" in table
    (buried,) = stage.jobs("rates")
    assert buried["body"] == {"day": "1582-10-10"} or "1582-10-10" in str(buried)
    assert "404" in stage.python("pulpo", "jobs", "show", str(buried["id"]))


def all_failed_once(stage: Stage) -> bool:
    jobs = stage.jobs("rates")
    return len(jobs) == 3 and all(int(str(job["attempt"])) > 1 for job in jobs)


def test_a_log_is_loaded_by_two_processes_and_every_line_counts_once(stage: Stage) -> None:
    stage.python("examples.etl.start", "12000")
    again = (
        "from examples.etl.tasks import OUT, load;"
        "load.delay(str(OUT.absolute() / 'access.log'), 0, 512 * 1024)"
    )
    stage.command(sys.executable, "-c", again)
    stage.python(
        "pulpo", "worker", "examples.etl.tasks", "--burst", "--processes", "2", "--threads", "1"
    )

    hits = stage.rows("etl/hits.db", "SELECT path, SUM(hits) FROM hits GROUP BY path")
    assert sum(Counter(dict(hits)).values()) == 12_000
    assert dict(hits)["(broken)"] == 12
    assert "/search" in dict(hits)
