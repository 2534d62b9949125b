"""`pulpo servers`, `join` and `drain`: the beanstalkds of a queue that lies on several of them."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict

import click

from pulpo.adapters import open_engine
from pulpo.adapters.beanstalkd.own_tubes import ROSTER
from pulpo.adapters.shards import ShardedEngine
from pulpo.adapters.shards.engine import full_name
from pulpo.adapters.shards.membership import REFRESH
from pulpo.adapters.shards.roster import Standing
from pulpo.cli.door import shared_url
from pulpo.cli.errors import REFUSED, CommandError
from pulpo.cli.moving import carry_out
from pulpo.cli.output import data, for_people, json_line, talk
from pulpo.cli.stats import SERVER_HEADS, server_row
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.composed import Composed
from pulpo.moving import Plan

__all__ = ["drain", "join", "servers"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@target_options
@pass_target
def servers(target: Target, as_json: bool) -> None:
    """List the servers of the queue, and how many jobs are on each.

    \b
    pulpo --url beanstalkd://a,b servers
    """
    with closing(_sharded(target)[0].admin()) as admin:
        assert isinstance(admin, Composed)
        looks = admin.servers()
    if as_json:
        for look in looks:
            data(json_line(asdict(look)))
        return
    data(for_people(SERVER_HEADS, [server_row(look) for look in looks], right="  rrrr"))


@click.command()
@click.argument("server", metavar="HOST:PORT")
@target_options
@pass_target
def join(target: Target, server: str) -> None:
    """Let a server take part in the queue, a new one or one that was drained.

    Whoever uses the queue knows it a few seconds later, whether or not its URL names the server.

    \b
    pulpo --url beanstalkd://a,b join c:11300
    """
    engine, _ = _sharded(target)
    server = full_name(server)
    _check_reached(engine, server)
    _enroll(engine, server, Standing.IN)
    talk(f"{server} takes part")


@click.command()
@click.argument("server", metavar="HOST:PORT")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), metavar="N", help="At most N jobs a second."
)
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON object.")
@target_options
@pass_target
def drain(target: Target, server: str, rate: float | None, as_json: bool) -> None:
    """Take a server out of the queue: nobody puts jobs there any more, and those it has move.

    It waits for what runs there. Interrupted or killed, it goes on when it is run again.

    \b
    pulpo --url beanstalkd://a,b,c drain c:11300
    """
    engine, url = _sharded(target)
    server = full_name(server)
    if not any(name != server for name in _taking(engine)):
        raise CommandError(f"{server} is the last one that takes jobs", code=REFUSED)
    _check_reached(engine, server)
    _enroll(engine, server, Standing.DRAINING)
    time.sleep(REFRESH * 1.25)  # until everybody who publishes knows it
    plan = Plan(rate=rate, wait=True, without=(ROSTER,))
    source = engine.server(server)
    carry_out(source, engine, (f"{url}#{server}", url), plan, as_json=as_json)
    _enroll(engine, server, Standing.OUT)
    talk(f"{server} is empty and takes no part any more")


def _sharded(target: Target) -> tuple[ShardedEngine, str]:
    url = shared_url(target)
    engine = open_engine(url)
    if not isinstance(engine, ShardedEngine):
        raise click.UsageError("the URL names no several servers, as in beanstalkd://a,b")
    return engine, url


def _taking(engine: ShardedEngine) -> list[str]:
    with closing(engine.members()) as members:
        return [server.name for server in members.taking() if server.answers]


def _check_reached(engine: ShardedEngine, server: str) -> None:
    with closing(engine.server(server).admin()) as admin:
        admin.queues()


def _enroll(engine: ShardedEngine, server: str, standing: Standing) -> None:
    for untold in engine.enroll(server, standing):
        talk(f"{untold} is out of reach, and could not be told")
