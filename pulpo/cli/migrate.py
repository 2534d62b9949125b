"""`pulpo migrate`: make or renew the tables of a queue, on an engine that has tables.

Knows how it is told; what is done is the engine's own.
"""

from __future__ import annotations

import click

from pulpo.adapter import Migratable
from pulpo.adapters import open_engine
from pulpo.cli.door import shared_url
from pulpo.cli.output import data, talk
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.errors import UnsupportedError
from pulpo.queue_url import QueueURL, mask

__all__ = ["migrate"]


@click.command()
@click.option("--sql", "as_sql", is_flag=True, help="Print the statements, and run none.")
@click.option(
    "--after",
    type=click.IntRange(min=0),
    default=0,
    metavar="VERSION",
    help="With --sql: only what comes after this version.",
)
@target_options
@pass_target
def migrate(target: Target, as_sql: bool, after: int) -> None:
    """Make the tables of a queue in PostgreSQL, or bring them to the newest version.

    Safe on a queue in use: workers and producers go on meanwhile. Two at once wait for each other.

    \b
    pulpo migrate
    pulpo migrate --sql > pulpo.sql
    """
    url = shared_url(target)
    engine = open_engine(url)
    if not isinstance(engine, Migratable):
        scheme = QueueURL.parse(url).scheme
        raise UnsupportedError(f"{scheme} has no tables to migrate: {mask(url)!r}")
    if as_sql:
        data(engine.script(after).rstrip("\n"))
        return
    version, taken = engine.migrate(lambda reached: talk(f"reached version {reached}"))
    if not taken:
        talk("nothing to do")
    data(f"version {version}")
