"""A guestbook whose entries are read by a job before anybody else reads them.

`flask --app examples.guestbook.app run`, and `pulpo worker examples.guestbook.app`
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from flask import Flask, Response, current_app, jsonify, request
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

import pulpo
from pulpo.contrib.flask import Pulpo
from pulpo.contrib.outbox.sqlalchemy import Outbox

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "guestbook")


class Base(DeclarativeBase):
    """The tables of this example, that of the outbox among them."""


class Entry(Base):
    """What somebody has written; not shown before it was read."""

    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    text: Mapped[str]
    is_shown: Mapped[bool] = mapped_column(default=False)


OUT.mkdir(parents=True, exist_ok=True)
engine = create_engine(f"sqlite:///{OUT}/guestbook.db")
outbox = Outbox(engine, metadata=Base.metadata)
Base.metadata.create_all(engine)
Session = sessionmaker(engine)

app = Flask(__name__)
app.config["MOST_SHOUTING"] = 0.5
Pulpo(app)


@pulpo.job(type="guestbook.read", queue="guestbook")
def read(entry_id: int) -> None:
    """Show an entry, unless it shouts or says the same again and again."""
    with Session.begin() as session:
        entry = session.get_one(Entry, entry_id)
        words = Counter(entry.text.lower().split())
        shouting = sum(letter.isupper() for letter in entry.text) / max(len(entry.text), 1)
        repeats = max(words.values(), default=0) > 1 + len(words) // 4
        entry.is_shown = shouting < current_app.config["MOST_SHOUTING"] and not repeats


@app.post("/entries")
def write() -> tuple[Response, int]:
    """Keep an entry and the job that reads it, or neither."""
    with Session.begin() as session:
        entry = Entry(name=request.form["name"], text=request.form["text"])
        session.add(entry)
        session.flush()  # gives it an id
        ref = outbox.publish(session, read, entry.id)
        if not entry.text.strip():
            session.rollback()
            return jsonify(error="an entry has a text"), 422
        return jsonify(id=entry.id, job=ref.id), 202


@app.get("/entries")
def show() -> Response:
    """Show what was read and found good."""
    with Session() as session:
        entries = session.scalars(select(Entry).where(Entry.is_shown)).all()
    return jsonify([{"name": entry.name, "text": entry.text} for entry in entries])
