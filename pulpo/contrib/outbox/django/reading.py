"""The rows of a Django database, for one relay; its thread has a connection of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import connections, models, transaction

from pulpo.contrib.outbox.django.models import OutboxJob
from pulpo.contrib.outbox.locking import only_relay
from pulpo.contrib.outbox.rows import Flight, Row, Waiting

__all__ = ["DjangoRows"]


class DjangoRows:
    """The rows of the model in one database; `using` is its alias."""

    def __init__(self, using: str) -> None:
        self._using = using

    @contextmanager
    def flight(self, limit: int) -> Iterator[Flight]:
        """Take up to so many rows; locked, where the database can skip locked ones."""
        connection = connections[self._using]
        # As Django does before a request: one that the server has closed is opened anew.
        connection.close_if_unusable_or_obsolete()
        wanted = self._all().filter(refused=None).order_by("number")
        if connection.features.has_select_for_update_skip_locked:
            with transaction.atomic(self._using):
                locked = wanted.select_for_update(skip_locked=True)
                flight = Flight(_rows(locked, limit))
                yield flight
                self._write(flight)
            return
        with only_relay(self._file(connection)) as is_free:
            # No transaction is open while the queue is spoken to: all others would wait for it.
            flight = Flight(_rows(wanted, limit) if is_free else [])
            yield flight
            if flight.gone or flight.refused:
                with transaction.atomic(self._using):
                    self._write(flight)

    def _write(self, flight: Flight) -> None:
        if flight.gone:
            self._all().filter(number__in=flight.gone).delete()
        for number, reason in flight.refused.items():
            self._all().filter(number=number).update(refused=reason)

    def _file(self, connection: Any) -> Path | None:  # Any: Django has no types
        name = str(connection.settings_dict["NAME"])
        is_file = connection.vendor == "sqlite" and not connection.is_in_memory_db()
        return Path(name) if is_file and not name.startswith("file:") else None

    def _all(self) -> Any:  # likewise
        return OutboxJob.objects.using(self._using)

    def waiting(self) -> Waiting:
        """Count the rows."""
        found = self._all().aggregate(
            jobs=models.Count("number", filter=models.Q(refused=None)),
            oldest=models.Min("added_at", filter=models.Q(refused=None)),
            refused=models.Count("refused"),
        )
        oldest = found["oldest"]
        if oldest is not None and oldest.tzinfo is None:
            oldest = oldest.replace(tzinfo=UTC)
        age = None if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
        return Waiting(jobs=found["jobs"], oldest=age, refused=found["refused"])

    def again(self) -> int:
        """Let the relay try the refused rows anew; returns how many there are."""
        count: int = self._all().exclude(refused=None).update(refused=None)
        return count

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        connections[self._using].close()


def _rows(wanted: Any, limit: int) -> list[Row]:  # likewise
    return [
        Row(number, bytes(data)) for number, data in wanted.values_list("number", "message")[:limit]
    ]
