"""The rates of one peer: how fast jobs go in, come out and go through, and what waiting costs."""

from __future__ import annotations

import time
from contextlib import closing

from bench.measure import await_jobs
from bench.measures.flow import percentiles
from bench.peers.field import Peer
from bench.peers.stage import Stage, Team
from bench.timing import Sample

__all__ = ["METRICS", "take_rates"]

#: What is told of each peer, in this order.
METRICS = (
    "publish/s",
    "many/s",
    "together/s",
    "drain/s",
    "end to end/s",
    "p50 ms",
    "p99 ms",
    "boot s",
    "idle MB",
    "idle CPU %",
    "sleeps s",
)
_PROBES, _SLEEPS = 300, 1_000
_REST, _WATCH = 1.5, 3.0


def take_rates(stage: Stage, peer: Peer, n: int) -> Sample:
    """Measure everything once, with `n` jobs that do nothing."""
    few = min(n, _PROBES)
    sample = {**_flow(stage, peer, n, few), **_publish_more(stage, peer, n)}
    if peer.sleepers:
        sample["sleeps s"] = _sleeps(stage, peer, min(n, _SLEEPS))
    return sample


def _flow(stage: Stage, peer: Peer, n: int, few: int) -> Sample:
    stage.produce("empty")
    with closing(stage.marks(2 * n + few)) as marks:
        sample = {"publish/s": _rate(stage.produce("each", n=n), n)}
        begun = time.monotonic_ns()
        with stage.workers(peer.workers) as team:
            await_jobs(marks, n, team)
            starts = marks.starts(n)
            sample["drain/s"] = max(1, n - 1) / max(1, max(starts) - min(starts)) * 1e9
            sample["boot s"] = (min(starts) - begun) / 1e9
            time.sleep(0.5)
            sent = stage.produce("each", first=n, n=n)
            await_jobs(marks, 2 * n, team)
            spent = max(marks.starts(n, n)) - int(str(sent["from"]))
            sample["end to end/s"] = n / spent * 1e9
            sample |= _waiting(stage, team, 2 * n, few)
    return sample


def _waiting(stage: Stage, team: Team, first: int, few: int) -> Sample:
    time.sleep(min(_REST, few / 100))
    used, since = team.cpu(), time.monotonic()
    time.sleep(min(_WATCH, few / 100))
    share = (team.cpu() - used) / (time.monotonic() - since)
    memory = team.memory_mb()
    lags = stage.produce("latency", first=first, n=few)["ns"]
    taken = [lag / 1e6 for lag in lags] if isinstance(lags, list) else []
    return {**percentiles(taken), "idle MB": memory, "idle CPU %": max(0.0, share * 100)}


def _publish_more(stage: Stage, peer: Peer, n: int) -> Sample:
    sample = {}
    for how, can in (("many", peer.many), ("together", peer.together)):
        if can:
            stage.produce("empty")
            sample[f"{how}/s"] = _rate(stage.produce(how, n=n), n)
    return sample


def _sleeps(stage: Stage, peer: Peer, n: int) -> float:
    stage.produce("empty")
    with closing(stage.marks(n)) as marks:
        stage.produce("each", "sleep", n=n)
        with stage.workers(peer.sleepers) as team:
            await_jobs(marks, n, team)
        return (max(marks.ends(n)) - min(marks.starts(n))) / 1e9


def _rate(sent: dict[str, object], n: int) -> float:
    return n / max(1, int(str(sent["to"])) - int(str(sent["from"]))) * 1e9
