"""A transactional outbox: a job is a row in the user's own transaction, and is published after it.

    from pulpo.contrib.outbox.sqlalchemy import Outbox       # or pulpo.contrib.outbox.django

    outbox = Outbox("postgresql+psycopg:///shop", metadata=Base.metadata)
    ...
    outbox.publish(session, welcome, 7)

The row is committed with the rest or not at all, whether the queue is in reach or not. A relay,
which runs in each process of a worker that loads the outbox, or as `pulpo outbox relay`, publishes
what is there, in batches and in order, under the id that the row has had from the start. It removes
a row only after the queue has accepted its job: whoever dies in between publishes it twice, under
one id.
"""

from __future__ import annotations

from pulpo.contrib.outbox.attending import Relay
from pulpo.contrib.outbox.relaying import Relayed, relay
from pulpo.contrib.outbox.rows import Flight, Row, Rows, Waiting

__all__ = ["Flight", "Relay", "Relayed", "Row", "Rows", "Waiting", "relay"]
