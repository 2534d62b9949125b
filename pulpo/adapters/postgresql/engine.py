"""A queue in PostgreSQL by its URL; nothing is connected here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pulpo.adapter import no_beat
from pulpo.adapters.postgresql.address import Address
from pulpo.clock import Clock
from pulpo.errors import UsageError
from pulpo.queue_url import QueueURL

if TYPE_CHECKING:
    from pulpo.adapter import (
        Engine,
        Examinable,
        Inserting,
        Migratable,
        QueueAdapter,
        QueueAdmin,
        Transactional,
    )
    from pulpo.adapters.postgresql.link import Link
    from pulpo.checkup import Finding
    from pulpo.side import KeepsSide, SideStore

__all__ = ["PostgreSQLEngine"]


class PostgreSQLEngine:
    """A queue in one schema of a database; any thread may ask it for doors.

    Options: `schema` (default `pulpo`), `create=1` makes the tables where they are missing,
    `pooled` = 1 behind a pooler in transaction mode (0 = certainly not, default: find out),
    `max_job_size` in bytes. All others are libpq's.
    """

    def __init__(self, url: QueueURL, *, clock: Clock) -> None:
        try:
            from pulpo.adapters.postgresql.link import check  # noqa: PLC0415  # psycopg: an extra
            from pulpo.adapters.postgresql.statements import Statements  # noqa: PLC0415
            from pulpo.adapters.postgresql.timepiece import Timepiece  # noqa: PLC0415
        except ImportError as error:
            raise UsageError(
                f"{url.scheme}:// needs psycopg ({error}); install it with: "
                "pip install 'pulpo-messaging[postgres]'"
            ) from error
        self.address = Address.of(url)
        check(self.address)
        self._clock = clock
        self._timepiece = Timepiece(clock)
        self._statements = Statements(self.address.schema)
        self._is_made = False

    def adapter(self, *, beat: Callable[[], None] = no_beat) -> QueueAdapter:
        """Open a door for one thread that publishes or works; it connects on first use."""
        from pulpo.adapters.postgresql.adapter import PostgreSQLAdapter  # noqa: PLC0415

        return PostgreSQLAdapter(
            lambda: self._link(beat),
            self._statements,
            clock=self._clock,
            timepiece=self._timepiece,
            max_body=self.address.max_body,
        )

    def admin(self) -> QueueAdmin:
        """Open a door for an operator; it connects on first use."""
        from pulpo.adapters.postgresql.admin import PostgreSQLAdmin  # noqa: PLC0415

        return PostgreSQLAdmin(self._link(no_beat), self._timepiece, max_body=self.address.max_body)

    def side(self) -> SideStore:
        """Open the facts beside the queue for one thread; see `pulpo.side.KeepsSide`."""
        from pulpo.adapters.postgresql.side import PostgreSQLSide  # noqa: PLC0415

        return PostgreSQLSide(self._link(no_beat), self._clock, self._timepiece)

    def within(self, connection: object) -> Inserting:
        """Open a door into a user's own transaction; see `pulpo.adapter.Transactional`."""
        from pulpo.adapters.postgresql.within import InTransaction  # noqa: PLC0415  # few need it

        told, address = self._timepiece.told(), self.address
        if address.creates and not self._is_made:
            # Not in the user's transaction, where a later rollback would take them away again.
            link = self._link(no_beat)
            link.connection  # noqa: B018  # makes the tables
            link.close()
            self._is_made = True
        return InTransaction(connection, address.schema, told, address.max_body)

    def examine(self, say: Callable[[str], None]) -> Iterator[Finding]:  # noqa: ARG002
        """Look at the database; see `pulpo.adapter.Examinable`."""
        from pulpo.adapters.postgresql.checkup import examine  # noqa: PLC0415  # for operators only

        return examine(self.address, self._clock, self._timepiece)

    def migrate(self, say: Callable[[int], None]) -> tuple[int, int]:
        """Take all steps to the newest version; see `pulpo.adapter.Migratable`."""
        from pulpo.adapters.postgresql.migrating import migrate_at  # noqa: PLC0415  # likewise

        return migrate_at(self.address, say)

    def script(self, after: int) -> str:
        """Return the steps behind a version as text for psql; raises `UsageError`."""
        from pulpo.adapters.postgresql.steps import as_script  # noqa: PLC0415  # likewise

        return as_script(self.address.schema, after=after)

    def _link(self, beat: Callable[[], None]) -> Link:
        from pulpo.adapters.postgresql.link import Link  # noqa: PLC0415  # loads psycopg

        return Link(self.address, beat)


if TYPE_CHECKING:

    def _is_engine(engine: PostgreSQLEngine) -> Engine:
        return engine

    def _is_examinable(engine: PostgreSQLEngine) -> Examinable:
        return engine

    def _is_migratable(engine: PostgreSQLEngine) -> Migratable:
        return engine

    def _is_transactional(engine: PostgreSQLEngine) -> Transactional:
        return engine

    def _keeps_side(engine: PostgreSQLEngine) -> KeepsSide:
        return engine
