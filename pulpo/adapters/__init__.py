"""Engines by the scheme of their URL; each is loaded only when its URL is opened.

A third party's engine is found through the entry point group `pulpo.engines`: the name is the
scheme, the object is called like the ones here.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import cast

from pulpo.adapter import Engine
from pulpo.clock import Clock, SystemClock
from pulpo.errors import UsageError
from pulpo.queue_url import QueueURL

__all__ = ["open_engine"]

_BUILT_IN = {
    "memory": ("pulpo.adapters.memory", "MemoryEngine"),
    "sqlite": ("pulpo.adapters.sqlite", "SQLiteEngine"),
    "beanstalkd": ("pulpo.adapters.beanstalkd", "BeanstalkdEngine"),
    "beanstalkd+unix": ("pulpo.adapters.beanstalkd", "BeanstalkdEngine"),
    "beanstalkds": ("pulpo.adapters.beanstalkd", "BeanstalkdEngine"),
    "postgresql": ("pulpo.adapters.postgresql", "PostgreSQLEngine"),
    "postgres": ("pulpo.adapters.postgresql", "PostgreSQLEngine"),
}


def open_engine(url: QueueURL | str, *, clock: Clock | None = None) -> Engine:
    """Return the engine of a URL; checks the URL and its options, connects to nothing.

    Raises `UsageError` for a scheme or an option that nobody knows.
    """
    parsed = url if isinstance(url, QueueURL) else QueueURL.parse(url)
    clock = clock or SystemClock()
    if "spool" in parsed.options or "spool_limit" in parsed.options:
        # Loaded only where it is asked for: most producers have none.
        from pulpo.adapters.spool.engine import spooling  # noqa: PLC0415

        return spooling(parsed, partial(_engine, clock=clock), clock)
    return _engine(parsed, clock=clock)


def _engine(parsed: QueueURL, *, clock: Clock) -> Engine:
    if "," in parsed.host and parsed.scheme in ("beanstalkd", "beanstalkds"):
        from pulpo.adapters.shards import ShardedEngine  # noqa: PLC0415  # few have several servers

        return ShardedEngine(parsed, clock=clock)
    if parsed.scheme in _BUILT_IN:
        module, name = _BUILT_IN[parsed.scheme]
        return cast(Engine, getattr(import_module(module), name)(parsed, clock=clock))
    return _third_party(parsed, clock)


def _third_party(url: QueueURL, clock: Clock) -> Engine:
    # Loaded only for a scheme that is not ours: importlib.metadata costs more than a publish.
    from importlib.metadata import entry_points  # noqa: PLC0415

    for entry in entry_points(group="pulpo.engines", name=url.scheme):
        return cast(Engine, entry.load()(url, clock=clock))
    raise UsageError(
        f"no engine for {url.scheme!r} URLs; known: {', '.join(_BUILT_IN)}: {url.masked!r}"
    )
