"""Several beanstalkds by one URL; nothing is opened here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pulpo.adapter import QueueAdapter, QueueAdmin, no_beat
from pulpo.adapters.beanstalkd import BeanstalkdEngine
from pulpo.adapters.beanstalkd.address import Address
from pulpo.adapters.shards.numbers import MOST_SERVERS
from pulpo.clock import Clock
from pulpo.errors import UsageError
from pulpo.queue_url import QueueURL

if TYPE_CHECKING:
    from pulpo.adapters.shards.membership import Membership
    from pulpo.adapters.shards.roster import Standing
    from pulpo.adapters.shards.server import Server
    from pulpo.checkup import Finding
    from pulpo.side import SideStore

__all__ = ["ShardedEngine", "full_name"]


class ShardedEngine:
    """The servers of `beanstalkd://a,b:11301,c`; any thread may ask it for doors.

    Everybody should name them alike: a server is known by `host:port`. Options are those of one
    beanstalkd, the same for all.
    """

    def __init__(self, url: QueueURL, *, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        #: One of each server, since its doors share what they know of its jobs.
        self._engines: dict[str, BeanstalkdEngine] = {}
        self.names = _names(url)
        for name in self.names:
            self.server(name)  # checks the rest of the URL

    def server(self, name: str) -> BeanstalkdEngine:
        """Return the engine of one server, by `host:port`; raises `UsageError`."""
        found = self._engines.get(name)
        if found is None:
            made = BeanstalkdEngine(self._one(name), clock=self._clock)
            found = self._engines.setdefault(name, made)
        return found

    def adapter(self, *, beat: Callable[[], None] = no_beat) -> QueueAdapter:
        """Open a door for one thread."""
        from pulpo.adapters.shards.adapter import ShardedAdapter  # noqa: PLC0415  # not for admins

        return ShardedAdapter(partial(self.members, beat), self._clock)

    def admin(self) -> QueueAdmin:
        """Open a door for an operator."""
        from pulpo.adapters.shards.admin import ShardedAdmin  # noqa: PLC0415  # for operators only

        return ShardedAdmin(self.members(), lambda name: self.server(name).admin())

    def side(self) -> SideStore:
        """Open the facts beside the queue for one thread; see `pulpo.side.KeepsSide`."""
        from pulpo.adapters.beanstalkd import beside  # noqa: PLC0415  # no producer needs it

        named = self._url.options.get("side")
        if named is not None:
            return beside.named(named, self._clock).side(is_whole=False, guards=True)
        all_of_them = Address(host=",".join(sorted(self.names)))
        return beside.of_this_host(all_of_them, self._clock).side(is_whole=False)

    @property
    def guards_beside(self) -> bool:
        """No: each server would have to know the jobs of all; see `pulpo.adapter.GuardsBeside`."""
        return False

    def examine(self, say: Callable[[str], None]) -> Iterator[Finding]:
        """Look at each server, and try it out; see `pulpo.adapter.Examinable`."""
        for name in self.names:
            say(f"server {name}")
            yield from self.server(name).examine(say)

    def enroll(self, name: str, standing: Standing) -> list[str]:
        """Say on all servers what one of them is to the queue from now on.

        Everybody who uses the queue knows it after `REFRESH` seconds. Returns the servers that
        could not be told: they learn it from who tells the next one. Raises `QueueUnavailableError`
        where no server is in reach, `UsageError` for a name that is none.
        """
        from pulpo.adapters.shards.enrolling import enroll  # noqa: PLC0415  # for operators only

        self.server(name)
        return enroll(self.members(), self.address, name, standing)

    def address(self, name: str) -> Address:
        """Return the address of one server."""
        return Address.of(self._one(name))

    def members(self, beat: Callable[[], None] = no_beat) -> Membership:
        """Return the servers as one thread sees them."""
        from pulpo.adapters.shards.membership import Membership  # noqa: PLC0415  # as above

        return Membership(self.names, partial(self._server, beat), self._clock)

    def _one(self, name: str) -> QueueURL:
        query = f"?{self._url.text.partition('?')[2]}" if "?" in self._url.text else ""
        one = QueueURL.parse(f"{self._url.scheme}://{name}{query}")
        return replace(one, path=self._url.path)

    def _server(self, beat: Callable[[], None], name: str, place: int) -> Server:
        from pulpo.adapters.shards.server import Door, Server  # noqa: PLC0415  # as above

        return Server(name, place, partial(self.server(name).door, Door, beat), self._clock)


def full_name(name: str) -> str:
    """Return a server's name with its port."""
    return name if ":" in name.rpartition("]")[2] else f"{name}:11300"


def _names(url: QueueURL) -> list[str]:
    one = url.host if url.port is None else f"{url.host}:{url.port}"
    names = [name.strip() for name in one.split(",")]
    if not all(names):
        raise UsageError(
            f"a server has no name; write beanstalkd://a:11300,b:11300: {url.masked!r}"
        )
    if "@" in url.text.partition("?")[0]:
        raise UsageError(f"beanstalkd knows no users; take them out of the URL: {url.masked!r}")
    full = [full_name(name) for name in names]
    if len(set(full)) < len(full):
        raise UsageError(f"a server is named twice: {url.masked!r}")
    if len(full) > MOST_SERVERS:
        raise UsageError(f"up to {MOST_SERVERS} servers, not {len(full)}: {url.masked!r}")
    return full
