"""PostgreSQL as an engine: `postgresql://`, with psycopg 3; the extra `postgres` brings it.

A queue is a part of one table. What is done to jobs is done by functions in the database, one round
trip each. The lease is by the database's clock, and a worker's session says whether it lives.
"""

from __future__ import annotations

from pulpo.adapters.postgresql.engine import PostgreSQLEngine

__all__ = ["PostgreSQLEngine"]
