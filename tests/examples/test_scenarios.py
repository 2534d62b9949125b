"""The three scenarios of the product page, beyond what the demo proves: twice is once."""

from __future__ import annotations

import re
import sys
import time
from email import message_from_bytes

from tests.examples.conftest import Stage


def test_an_order_that_is_processed_twice_is_paid_and_delivered_once(stage: Stage) -> None:
    stage.python("examples.orders.buy")
    again = "from examples.orders.tasks import process; process.delay_many([(n,) for n in (1, 3)])"
    stage.command(sys.executable, "-c", again)
    with stage.running("pulpo", "worker", "examples.orders.tasks", "--processes", "2"):
        stage.wait_for("orders", buried=1)

    stock = dict(stage.rows("orders/shop.db", "SELECT sku, stock FROM product"))
    assert stock == {"mug": 36, "tee": 21, "ink": 59, "lamp": 1}
    paid = stage.rows("orders/bank.db", "SELECT key, cents FROM charge ORDER BY key")
    assert paid == [("order-1", 4090), ("order-2", 8900), ("order-3", 8700), ("order-5", 4350)]
    mails = sorted((stage.folder / "orders" / "outbox").glob("*.eml"))
    assert [mail.stem for mail in mails] == ["order-1", "order-2", "order-3", "order-5"]


def test_an_invoice_is_a_pdf_that_readers_can_walk(stage: Stage) -> None:
    stage.python("examples.orders.buy")
    with stage.running("pulpo", "worker", "examples.orders.tasks", "--processes", "1"):
        stage.wait_for("orders", buried=1)

    mail = message_from_bytes((stage.folder / "orders/outbox/order-1.eml").read_bytes())
    (pdf,) = (part.get_payload(decode=True) for part in mail.walk() if part.get_filename())
    assert isinstance(pdf, bytes)
    assert pdf == (stage.folder / "orders/invoices/invoice-1.pdf").read_bytes()
    assert b"(Octopus mug)" in pdf
    table = int(re.findall(rb"startxref\n(\d+)", pdf)[0])
    offsets = [int(found) for found in re.findall(rb"(\d{10}) 00000 n ", pdf[table:])]
    objects = [pdf[offset:].split(b"\n")[0] for offset in offsets]
    assert objects == [b"%d 0 obj" % number for number in range(1, 7)]


def test_a_declined_card_is_buried_with_what_the_bank_said(stage: Stage) -> None:
    stage.python("examples.orders.buy")
    with stage.running("pulpo", "worker", "examples.orders.tasks", "--processes", "1"):
        stage.wait_for("orders", buried=1)

    (buried,) = stage.jobs("orders")
    shown = stage.python("pulpo", "jobs", "show", str(buried["id"]))
    assert "CardDeclined: the bank declined card ending in '0000'" in shown


def test_an_order_checked_twice_has_one_result_in_the_record(stage: Stage) -> None:
    for _ in range(2):
        stage.python("examples.pharmacy.receive")
        stage.burst("examples.pharmacy.tasks", "--threads", "1")

    found = stage.rows("pharmacy/records.db", "SELECT order_number, decision FROM checked")
    assert dict(found) == {
        "ORD-1008": "hold",
        "ORD-1009": "hold",
        "ORD-1001": "clear",
        "ORD-1002": "hold",
        "ORD-1003": "review",
        "ORD-1004": "review",
    }
    assert len(found) == 6
    assert stage.rows("pharmacy/records.db", "SELECT COUNT(*) FROM finding") == [(5,)]


def test_an_order_that_cannot_be_checked_is_buried_and_says_why(stage: Stage) -> None:
    stage.python("examples.pharmacy.receive")
    stage.burst("examples.pharmacy.tasks", "--threads", "1")

    shown = [
        stage.python("pulpo", "jobs", "show", str(job["id"])) for job in stage.jobs("pharmacy")
    ]
    assert len(shown) == 2
    assert any("unknown drug 'fluxoline'" in text for text in shown)
    assert any("field PID-3 is missing" in text for text in shown)


def test_reports_that_are_asked_for_twice_are_made_once(stage: Stage) -> None:
    stage.python("examples.metrics.start")
    stage.python("examples.metrics.start")
    assert stage.counts("metrics")["ready"] == 3
    with stage.running("pulpo", "worker", "examples.metrics.tasks", "--processes", "2"):
        stage.wait_for("metrics")

    assert len(list((stage.folder / "metrics" / "reports").glob("*.html"))) == 3


NIGHT = """
from contextlib import closing
from dataclasses import replace
from examples.metrics import raw, tasks
from pulpo import default_app
from pulpo.side import side_of
from pulpo.telling.schedules import read_schedules, write_schedule

with closing(side_of(default_app().engine)) as store:
    fact = read_schedules(store)["metrics.report"]
    evening = (raw.this_hour() - 3 * raw.HOUR).timestamp()
    assert write_schedule(store, replace(fact, upto=evening))
"""


def test_after_a_night_without_a_worker_the_reports_catch_up_hour_by_hour(stage: Stage) -> None:
    stage.python("examples.metrics.start")
    with stage.running("pulpo", "worker", "examples.metrics.tasks", "--processes", "2"):
        stage.wait_for("metrics")
    reports = stage.folder / "metrics" / "reports"
    for page in reports.iterdir():
        page.unlink()
    # As if the last worker had ended three hours ago.
    stage.command(sys.executable, "-c", NIGHT)

    with stage.running("pulpo", "worker", "examples.metrics.tasks", "--processes", "2"):
        deadline = time.monotonic() + 30
        while len(list(reports.glob("*.html"))) < 3:
            assert time.monotonic() < deadline, sorted(reports.iterdir())
            time.sleep(0.1)
