"""A file queue by its URL: where the file is and how it is written; nothing is opened here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pulpo.adapter import no_beat
from pulpo.adapters.sqlite.database import Database
from pulpo.clock import Clock
from pulpo.errors import UsageError
from pulpo.queue_url import QueueURL

if TYPE_CHECKING:
    from pulpo.adapters.sqlite.adapter import SQLiteAdapter
    from pulpo.adapters.sqlite.admin import SQLiteAdmin
    from pulpo.adapters.sqlite.salvage import Salvaged
    from pulpo.checkup import Finding
    from pulpo.side import SideStore

__all__ = ["SQLiteEngine"]

# beanstalkd's own limit, so that a job which the file takes can move there.
_DEFAULT_SIZE = 65_535
_LARGEST_SIZE = 64 * 2**20


class SQLiteEngine:
    """A queue in one file; any thread may ask it for doors.

    `sqlite:///relative.db` is taken from the folder that is current now, `sqlite:////absolute.db`
    from the root. Options: `sync` = `full` (the default: what is published survives a power cut)
    or `normal` (it survives killed processes), `max_job_size` in bytes.
    """

    def __init__(self, url: QueueURL, *, clock: Clock) -> None:
        url.only(("sync", "max_job_size"))
        self._settings = _Settings(
            path=_path(url),
            durable=url.choice("sync", ("full", "normal"), "full") == "full",
            max_body=url.whole("max_job_size", _DEFAULT_SIZE, least=1, most=_LARGEST_SIZE),
        )
        self._clock = clock

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._settings.path

    def adapter(self, *, beat: Callable[[], None] = no_beat) -> SQLiteAdapter:
        """Open a door for one thread that publishes or works; the file is opened on first use."""
        # Beside a beanstalkd there are no jobs in it, and nobody opens this door.
        from pulpo.adapters.sqlite.adapter import SQLiteAdapter  # noqa: PLC0415

        return SQLiteAdapter(self._database(beat), max_body=self._settings.max_body)

    def admin(self) -> SQLiteAdmin:
        """Open a door for an operator; the file is opened on first use."""
        from pulpo.adapters.sqlite.admin import SQLiteAdmin  # noqa: PLC0415  # for operators only

        return SQLiteAdmin(self._database(), max_body=self._settings.max_body)

    def side(self, *, is_whole: bool = True, guards: bool = True) -> SideStore:
        """Open the facts beside the queue for one thread; see `pulpo.side.KeepsSide`."""
        from pulpo.adapters.sqlite.side import SQLiteSide  # noqa: PLC0415  # no producer needs it

        return SQLiteSide(self._database(), is_whole=is_whole, guards=guards)

    def examine(self, say: Callable[[str], None]) -> Iterator[Finding]:  # noqa: ARG002
        """Look at the file; see `pulpo.adapter.Examinable`."""
        from pulpo.adapters.sqlite.checkup import examine  # noqa: PLC0415  # for operators only

        return examine(self.path, durable=self._settings.durable, clock=self._clock)

    def salvage(self, copy: Path) -> Salvaged:
        """Copy what can be read of a damaged file into a new one; see `salvage.salvage`."""
        from pulpo.adapters.sqlite.salvage import salvage  # noqa: PLC0415  # for operators only

        return salvage(self.path, Path.cwd() / copy, self._clock)

    def _database(self, beat: Callable[[], None] = no_beat) -> Database:
        settings = self._settings
        return Database(settings.path, durable=settings.durable, clock=self._clock, beat=beat)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    path: Path
    durable: bool
    max_body: int


def _path(url: QueueURL) -> Path:
    if url.host or url.port is not None or url.username is not None:
        raise UsageError(
            "a file queue has no host: write sqlite:///relative.db (three slashes) or "
            f"sqlite:////absolute.db (four): {url.masked!r}"
        )
    name = url.path[1:]
    if "\0" in name or not name or name.endswith("/") or Path(name).name in ("", "..", ":memory:"):
        raise UsageError(
            "a file queue needs the name of a file, as in sqlite:///queue.db "
            f"(a queue in memory is memory://): {url.masked!r}"
        )
    return Path.cwd() / name
