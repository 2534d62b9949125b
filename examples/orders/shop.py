"""The shop's database: products, orders and their lines in one SQLite file.

Every function is one transaction and may be called twice with the same order.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "orders")

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS product (
    sku TEXT PRIMARY KEY, name TEXT, cents INTEGER, stock INTEGER CHECK (stock >= 0));
CREATE TABLE IF NOT EXISTS purchase (
    id INTEGER PRIMARY KEY, customer TEXT, email TEXT, card TEXT, status TEXT DEFAULT 'new');
CREATE TABLE IF NOT EXISTS line (purchase INTEGER, sku TEXT, quantity INTEGER);
INSERT OR IGNORE INTO product VALUES
    ('mug', 'Octopus mug', 1450, 40), ('tee', 'T-shirt, eight sleeves', 2900, 25),
    ('ink', 'Ink, 50 ml', 1190, 60), ('lamp', 'Deep-sea lamp', 8900, 2);
"""


@dataclass(frozen=True, slots=True)
class Line:
    sku: str
    name: str
    quantity: int
    cents: int

    @property
    def total(self) -> int:
        return self.quantity * self.cents


@dataclass(frozen=True, slots=True)
class Order:
    id: int
    customer: str
    email: str
    card: str
    status: str
    lines: Sequence[Line]

    @property
    def total(self) -> int:
        return sum(line.total for line in self.lines)


def create() -> None:
    """Make the database and fill the shelves, where that is not done yet."""
    OUT.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(OUT / "shop.db")
    db.executescript(SCHEMA)
    db.close()


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(OUT / "shop.db", timeout=30, isolation_level=None)
    try:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    finally:
        db.close()  # after an error there was no COMMIT: this rolls back


def place(customer: str, email: str, card: str, basket: dict[str, int]) -> int:
    """Write down a new order and return its number."""
    with transaction() as db:
        row = db.execute(
            "INSERT INTO purchase (customer, email, card) VALUES (?, ?, ?) RETURNING id",
            (customer, email, card),
        ).fetchone()
        db.executemany(
            "INSERT INTO line VALUES (?, ?, ?)",
            [(row[0], sku, quantity) for sku, quantity in basket.items()],
        )
        return int(row[0])


def load(order_id: int) -> Order:
    """Return an order; `LookupError` where there is none."""
    with transaction() as db:
        head = db.execute("SELECT * FROM purchase WHERE id = ?", (order_id,)).fetchone()
        if head is None:
            raise LookupError(f"no order {order_id!r}")
        lines = db.execute(
            "SELECT sku, name, quantity, cents FROM line JOIN product USING (sku)"
            " WHERE purchase = ? ORDER BY sku",
            (order_id,),
        ).fetchall()
    number, customer, email, card, status = head
    return Order(number, customer, email, card, status, [Line(*line) for line in lines])


def reserve(order: Order) -> bool:
    """Take the goods of a new order off the shelves; False where they are sold out.

    All or nothing, and only once: an order that is not `new` any more keeps what it has.
    """
    with transaction() as db:
        status = db.execute("SELECT status FROM purchase WHERE id = ?", (order.id,)).fetchone()[0]
        if status != "new":
            return bool(status != "sold out")
        shelves = dict(db.execute("SELECT sku, stock FROM product"))
        enough = all(line.quantity <= shelves[line.sku] for line in order.lines)
        for line in order.lines if enough else ():
            db.execute(
                "UPDATE product SET stock = stock - ? WHERE sku = ?", (line.quantity, line.sku)
            )
        db.execute(
            "UPDATE purchase SET status = ? WHERE id = ?",
            ("reserved" if enough else "sold out", order.id),
        )
        return enough


def mark(order: Order, status: str) -> None:
    """Write down how far an order has come."""
    with transaction() as db:
        db.execute("UPDATE purchase SET status = ? WHERE id = ?", (status, order.id))
