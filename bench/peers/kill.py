"""What becomes of jobs when everything of a worker is killed with -9 in the middle of them.

50 jobs of 0.2 s, settings as they come. 100 ms after the 20th has started, all processes are
killed; the same command is started again, and watched until every job has run, or for so long.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass

from bench.marks import Marks
from bench.peers.field import Peer
from bench.peers.stage import Stage, Team

__all__ = ["Aftermath", "kill_workers"]

_JOBS, _STARTED = 50, 20
_SOON = 30.0
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What a peer made of it; counts of jobs, and seconds."""

    finished: int
    in_flight: int
    missing_soon: int
    missing: int
    waited: float
    twice: int


def kill_workers(stage: Stage, peer: Peer, *, wait: float) -> Aftermath:
    """Kill and count; waits at most `wait` seconds for what is missing."""
    stage.produce("empty")
    with closing(stage.marks(_JOBS)) as marks:
        stage.produce("each", "slow", n=_JOBS)
        with stage.workers(peer.plain) as team:
            _await_starts(marks, team)
            time.sleep(0.1)
            team.kill()
        finished = marks.done()
        in_flight = sum(map(bool, marks.starts(_JOBS))) - finished
        with stage.workers(peer.plain):
            since = time.monotonic()
            soon = _watch(marks, since + min(_SOON, wait))
            missing = _watch(marks, since + wait)
            waited = time.monotonic() - since
            time.sleep(0.5)  # a second run of what came last is seen too
        return Aftermath(
            finished=finished,
            in_flight=in_flight,
            missing_soon=soon,
            missing=missing,
            waited=waited,
            twice=marks.twice(),
        )


def _await_starts(marks: Marks, team: Team) -> None:
    end = time.monotonic() + _PATIENCE
    while sum(map(bool, marks.starts(_JOBS))) < _STARTED:
        if team.failed() or time.monotonic() > end:
            raise RuntimeError(f"fewer than {_STARTED} jobs were started:\n{team.last_words()}")
        time.sleep(0.002)


def _watch(marks: Marks, end: float) -> int:
    while (missing := _JOBS - marks.done()) and time.monotonic() < end:
        time.sleep(0.05)
    return missing
