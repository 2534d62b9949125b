"""`pulpo sandbox`: what a worker starts to run suspects in; not for people, and not in the help."""

from __future__ import annotations

import os
from functools import partial

import click

from pulpo.cli.load import load_parts
from pulpo.cli.worker import WORKER_URL
from pulpo.worker.sandbox import serve

__all__ = ["sandbox"]


@click.command(hidden=True)
@click.argument("log_format", type=click.Choice(["text", "json"]))
@click.argument("modules", nargs=-1)
@click.argument("fd", type=int)
def sandbox(log_format: str, modules: tuple[str, ...], fd: int) -> None:
    """Run the jobs that a worker sends over a socket."""
    serve(partial(load_parts, modules, os.environ.get(WORKER_URL)), fd, log=log_format)
