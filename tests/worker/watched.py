"""Jobs of a worker that is watched over HTTP: each comes to an end of its own kind."""

from __future__ import annotations

import os
import signal
import time

import pulpo


@pulpo.job(type="watched.good", queue="mail", aliases=["watched.was"])
def good(seconds: float = 0.0) -> None:
    time.sleep(seconds)


@pulpo.job(type="watched.says")
async def says(what: str) -> object:
    return {
        "retried": pulpo.Retry(delay="1h"),
        "snoozed": pulpo.Snooze("1h"),
        "cancelled": pulpo.Cancel("no need"),
        "buried": pulpo.Bury("no hope"),
    }[what]


@pulpo.job(type="watched.dies", retries=0)
def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
