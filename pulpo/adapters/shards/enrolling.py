"""Writing the roster: on each server in reach lies one job, and the newest one counts.

The new one is put before the old one is deleted, so that there is always one; and more urgent, so
that whoever looks between the two sees the new one.
"""

from __future__ import annotations

from collections.abc import Callable

import greenstalk

from pulpo.adapters.beanstalkd.address import Address
from pulpo.adapters.beanstalkd.commands import LONGEST
from pulpo.adapters.beanstalkd.control import Control
from pulpo.adapters.beanstalkd.own_tubes import ROSTER
from pulpo.adapters.shards.membership import Membership
from pulpo.adapters.shards.roster import Roster, Standing
from pulpo.errors import QueueError

__all__ = ["enroll"]


def enroll(
    members: Membership, address: Callable[[str], Address], name: str, standing: Standing
) -> list[str]:
    """Write what a server is from now on; return the servers that could not be told."""
    try:
        members.reached()
        known = [server.name for server in members]
        roster = members.roster.changed(name, standing, known=known)
        untold, why = [], None
        for each in roster.servers:
            try:
                _write(Control(address(each)), roster)
            except QueueError as error:
                untold.append(each)
                why = error
        if why is not None and len(untold) == len(roster.servers):
            raise why
        return untold
    finally:
        members.close()


def _write(control: Control, roster: Roster) -> None:
    try:
        with control.talking() as client:
            old = _all(client)
            client.use(ROSTER)
            client.put(roster.encode(), priority=LONGEST - roster.version)
            for job in old:
                client.delete(job)
    finally:
        control.close()


def _all(client: greenstalk.Client[bytes]) -> list[greenstalk.Job[bytes]]:
    """Return the rosters on a server: one, or two where somebody was killed in between."""
    client.use(ROSTER)
    try:
        return [client.peek_ready()]
    except greenstalk.NotFoundError:
        return []
