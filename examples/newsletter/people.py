"""Who reads the newsletter: one table, and two ways to it, for the application and for its jobs."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "newsletter")


class Base(DeclarativeBase):
    """The tables of this example."""


class Reader(Base):
    """Somebody who wants the newsletter."""

    __tablename__ = "reader"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    greeted: Mapped[bool] = mapped_column(default=False)


OUT.mkdir(parents=True, exist_ok=True)
for_jobs = create_engine(f"sqlite:///{OUT}/readers.db")
Base.metadata.create_all(for_jobs)
Session = sessionmaker(for_jobs)
AsyncSession = async_sessionmaker(create_async_engine(f"sqlite+aiosqlite:///{OUT}/readers.db"))
