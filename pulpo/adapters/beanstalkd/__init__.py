"""beanstalkd as an engine: `beanstalkd://host:11300`, `beanstalkd+unix:///path`, `beanstalkds://`.

A queue is a tube of the same name. Delays and leases are whole seconds, rounded up. The lease is
the socket: beanstalkd's own timers cannot be trusted to fire, a closed socket gives its jobs back
at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pulpo.adapter import QueueAdapter, QueueAdmin, no_beat
from pulpo.adapters.beanstalkd import commands
from pulpo.adapters.beanstalkd.address import Address
from pulpo.adapters.beanstalkd.link import Awaited, Kind, Link
from pulpo.clock import Clock
from pulpo.errors import ProtocolError, QueueUnavailableError, UnsupportedError
from pulpo.queue_url import QueueURL

if TYPE_CHECKING:
    from pulpo.adapters.beanstalkd.adapter import BeanstalkdAdapter

__all__ = ["BeanstalkdEngine"]

Door = TypeVar("Door", bound="BeanstalkdAdapter")

_REPLY_TIMEOUT = 5.0
_OLDEST = (1, 12)  # the first with reserve-job
_LARGEST_BODY = 1_073_741_824


class BeanstalkdEngine:
    """A beanstalkd by its URL.

    The option `side` is the URL of the queue file in which facts beside the queue are kept, the
    guards of jobs among them; without it that is a file in the state folder of this user on this
    host, and jobs with guards are refused.
    """

    def __init__(self, url: QueueURL, *, clock: Clock) -> None:
        self._address = Address.of(url)
        self._clock = clock
        self._side = url.options.get("side")
        if self._side is not None:
            from pulpo.adapters.beanstalkd.beside import named  # noqa: PLC0415  # few name one

            named(self._side, clock)
        # Numbers by ids: of jobs that an operator has seen, or that were put anew here.
        self._known: dict[str, int] = {}

    def adapter(self, *, beat: Callable[[], None] = no_beat) -> QueueAdapter:
        """Open a door for one thread."""
        from pulpo.adapters.beanstalkd.adapter import BeanstalkdAdapter  # noqa: PLC0415

        if self._side is not None:
            # Loaded only where it is asked for.
            from pulpo.adapters.beanstalkd.guarded_adapter import GuardedAdapter  # noqa: PLC0415

            return GuardedAdapter(
                partial(self._open_link, beat),
                self._clock,
                reply_timeout=_REPLY_TIMEOUT,
                open_store=self.side,
                open_admin=self._guarded_admin,
                known=self._known,
            )
        return self.door(BeanstalkdAdapter, beat)

    def door(self, kind: type[Door], beat: Callable[[], None]) -> Door:
        """Open a door for one thread, which can do more than the usual one."""
        open_link = partial(self._open_link, beat)
        known = self._known
        return kind(open_link, self._clock, reply_timeout=_REPLY_TIMEOUT, known=known)

    def admin(self) -> QueueAdmin:
        """Open a door for an operator."""
        if self._side is not None:
            return self._guarded_admin()
        # Loads greenstalk, which a producer does without.
        from pulpo.adapters.beanstalkd.admin import BeanstalkdAdmin  # noqa: PLC0415

        return BeanstalkdAdmin(self._open_link, self._address, self._clock, self._known)

    def _guarded_admin(self) -> GuardedAdmin:
        from pulpo.adapters.beanstalkd.guarded_admin import GuardedAdmin  # noqa: PLC0415

        known = self._known
        return GuardedAdmin(self._open_link, self._address, self._clock, known, self.side())

    @property
    def guards_beside(self) -> bool:
        """Whether a place is named where guards can be kept; see `pulpo.adapter.GuardsBeside`."""
        return self._side is not None

    def side(self) -> SideStore:
        """Open the facts beside the queue for one thread; see `pulpo.side.KeepsSide`."""
        from pulpo.adapters.beanstalkd import beside  # noqa: PLC0415  # no producer needs it

        if self._side is None:
            engine = beside.of_this_host(self._address, self._clock)
        else:
            engine = beside.named(self._side, self._clock)
        # A file by its name is shared by those who name it, that of the host only by one user.
        return engine.side(is_whole=False, guards=self._side is not None)

    def examine(self, say: Callable[[str], None]) -> Iterator[Finding]:
        """Look at the server, and try it out; see `pulpo.adapter.Examinable`."""
        from pulpo.adapters.beanstalkd.checkup import examine  # noqa: PLC0415

        return examine(self._address, self._open_link, self._clock, say)

    def _open_link(self, beat: Callable[[], None] = no_beat) -> Link:
        """Connect, and wait for a first reply: a full server accepts and then says nothing."""
        sock = self._address.connect(reply_timeout=_REPLY_TIMEOUT)
        link = Link(sock, max_body=_LARGEST_BODY, beat=beat)
        try:
            link.send([b"stats\r\n"], [Awaited(Kind.STATS)])
            stats = _first_reply(link, self._clock)
        except ProtocolError as error:
            link.close()
            raise QueueUnavailableError(f"{self._address.shown}: {error}") from error
        if _is_too_old(stats.get("version", "")):
            link.close()
            raise UnsupportedError(
                f"beanstalkd 1.12 or newer is needed, {self._address.shown} is {stats['version']!r}"
            )
        link.max_body = commands.stated(stats, "max-job-size") or 65_535
        return link


def _first_reply(link: Link, clock: Clock) -> dict[str, str]:
    deadline = clock.monotonic() + _REPLY_TIMEOUT
    while (left := deadline - clock.monotonic()) > 0:
        for reply in link.receive(left):
            if reply.data is None or not reply.line.startswith(b"OK "):
                raise ProtocolError(f"stats was answered {reply.line[:64]!r}")
            return commands.parse_stats(reply.data)
    raise ProtocolError(f"no answer within {_REPLY_TIMEOUT:g}s")


def _is_too_old(version: str) -> bool:
    found = re.match(r"(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) < _OLDEST


if TYPE_CHECKING:
    from pulpo.adapter import Engine, Examinable, GuardsBeside
    from pulpo.adapters.beanstalkd.guarded_admin import GuardedAdmin
    from pulpo.checkup import Finding
    from pulpo.side import KeepsSide, SideStore

    def _is_engine(engine: BeanstalkdEngine) -> Engine:
        return engine

    def _is_examinable(engine: BeanstalkdEngine) -> Examinable:
        return engine

    def _has_guards_beside(engine: BeanstalkdEngine) -> GuardsBeside:
        return engine

    def _keeps_side(engine: BeanstalkdEngine) -> KeepsSide:
        return engine
