"""The file queue: one SQLite file that many processes of one host share, without a server."""

from __future__ import annotations

from pulpo.adapters.sqlite.engine import SQLiteEngine

__all__ = ["SQLiteEngine"]
