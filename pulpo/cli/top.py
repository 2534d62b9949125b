"""`pulpo top`: queues, workers and types, live in the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import click

from pulpo.adapter import QueueAdmin
from pulpo.cli.door import administered
from pulpo.cli.glance import LOOKED_BACK, Glance, as_json, lines, rate_between
from pulpo.cli.output import data, json_line
from pulpo.cli.parameters import DURATION
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.configuration import find_url
from pulpo.envelope import DEFAULT_QUEUE
from pulpo.queue_url import mask
from pulpo.side import SideStore, side_of
from pulpo.telling import read_minutes, read_workers
from pulpo.telling.limits import read_limits

__all__ = ["top"]

_SHORTEST = 0.5
# Another page of the terminal, without a cursor, and back again (ECMA-48, xterm's 1049).
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _END_OF_LINE, _END_OF_PAGE = "\x1b[H", "\x1b[K", "\x1b[J"


@click.command()
@click.option("--every", type=DURATION, default="2s", help="How often to look; at least 0.5s.")
@click.option("--once", is_flag=True, help="Look once; so it is without a terminal.")
@click.option("--json", "json_wanted", is_flag=True, help="Look once; one JSON object.")
@target_options
@pass_target
def top(target: Target, every: float, once: bool, json_wanted: bool) -> None:
    """Show queues, rates, busy slots, and the slowest and most failing types; Ctrl-C ends it.

    \b
    pulpo top
    pulpo top --once
    """
    shown_url = mask(find_url(target.url).url)
    with administered(target) as (admin, engine), _opened(side_of(engine)) as side:
        if json_wanted:
            data(json_line(as_json(_look(shown_url, admin, side))))
        elif once or not sys.stdout.isatty():
            data("\n".join(lines(_look(shown_url, admin, side))))
        else:
            _go_on(shown_url, admin, side, max(every, _SHORTEST))


@contextmanager
def _opened(side: SideStore | None) -> Iterator[SideStore | None]:
    if side is None:
        yield None
        return
    with closing(side):
        yield side


def _look(shown_url: str, admin: QueueAdmin, side: SideStore | None) -> Glance:
    now = time.time()
    names = sorted({DEFAULT_QUEUE, *admin.queues()})
    return Glance(
        shown_url=shown_url,
        now=now,
        queues=[admin.stats(name) for name in names],
        workers=None if side is None else read_workers(side),
        minutes=None if side is None else read_minutes(side, since=now - LOOKED_BACK),
        limits=() if side is None else read_limits(side),
    )


def _go_on(shown_url: str, admin: QueueAdmin, side: SideStore | None, every: float) -> None:
    sys.stdout.write(_ENTER)
    last: Glance | None = None
    try:
        while True:
            glance = _look(shown_url, admin, side)
            _draw(lines(glance, rate=rate_between(last, glance) if last else None))
            last = glance
            time.sleep(every)
    except KeyboardInterrupt:
        pass
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


def _draw(shown: Iterator[str]) -> None:
    text = "\n".join(shown).replace("\n", f"{_END_OF_LINE}\n")
    sys.stdout.write(f"{_HOME}{text}{_END_OF_LINE}\n{_END_OF_PAGE}")
    sys.stdout.flush()
