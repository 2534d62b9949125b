"""The operator's doors to the servers of one queue: each is asked for its own, or all are.

Knows which servers there are and how they are reached, not what they are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pulpo.adapter import QueueAdmin
from pulpo.adapters.shards.membership import Membership
from pulpo.adapters.shards.numbers import by_place
from pulpo.adapters.shards.server import Server
from pulpo.errors import QueueUnavailableError

__all__ = ["Doors"]

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Doors:
    """One thread's; each door connects at its first use."""

    def __init__(self, members: Membership, open_admin: Callable[[str], QueueAdmin]) -> None:
        self.members = members
        self._open_admin = open_admin
        self._admins: dict[str, QueueAdmin] = {}

    def close(self) -> None:
        """Close all doors; twice is once."""
        for admin in self._admins.values():
            admin.close()
        self.members.close()

    def admin(self, server: Server) -> QueueAdmin:
        """Return the door to a server."""
        found = self._admins.get(server.name)
        if found is None:
            found = self._admins[server.name] = self._open_admin(server.name)
        return found

    def reached(self) -> Sequence[Server]:
        """Return the servers in reach; raises where there is none."""
        return self.members.reached()

    def missing(self) -> Sequence[Server]:
        """Return the servers out of reach."""
        return [server for server in self.members if not server.answers]

    def must_know_all(self, knows: bool) -> None:
        """Raise where somebody out of reach may have what was not found."""
        if not knows and (missing := self.missing()):
            raise missing[0].unreached()

    def all(self, ask: Callable[[QueueAdmin], Answer]) -> Sequence[tuple[Server, Answer]]:
        """Ask all servers in reach; raises where there is none."""
        found = []
        for server in self.reached():
            try:
                found.append((server, ask(self.admin(server))))
            except QueueUnavailableError as error:
                server.failed(error)
        if not found:
            raise self.members.unreached()
        return found

    def each(
        self,
        numbered: Sequence[tuple[int, Item]],
        ask: Callable[[Server, Sequence[Item]], Sequence[Answer]],
    ) -> Sequence[Answer]:
        """Ask each server about its own; raises for one that is out of reach."""
        own = by_place(numbered)
        answers: dict[int, Answer] = {}
        for server in self.members.those(own):
            indexes = [index for index, _ in own[server.place]]
            told = ask(server, [item for _, item in own[server.place]])
            answers.update(zip(indexes, told, strict=True))
        return [answers[index] for index in range(len(numbered))]
