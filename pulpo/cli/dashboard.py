"""`pulpo dashboard`: the operator's seat in a browser, as a program of its own."""

from __future__ import annotations

import logging
import os
import sys
import webbrowser
from typing import TYPE_CHECKING

import click

from pulpo import default_app
from pulpo.cli.door import shared_url
from pulpo.cli.errors import FAILED, CommandError
from pulpo.cli.hiding import redact_option
from pulpo.cli.output import data, talk
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.loading import check_module_name, import_modules, make_folder_importable
from pulpo.redacting import configured

if TYPE_CHECKING:
    from pulpo.app import Pulpo

__all__ = ["dashboard"]


@click.command()
@click.argument("modules", nargs=-1, metavar="[MODULE...]")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Listen here.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8450, show_default=True)
@click.option(
    "--allowed-host",
    "allowed",
    multiple=True,
    metavar="NAME",
    help="A name by which browsers may call it, beside localhost and --host.",
)
@click.option("--read-only", is_flag=True, help="Show, and let nobody change anything.")
@redact_option
@click.option("--open", "opens", is_flag=True, help="Open it in a browser.")
@target_options
@pass_target
def dashboard(
    target: Target,
    *,
    modules: tuple[str, ...],
    host: str,
    port: int,
    allowed: tuple[str, ...],
    read_only: bool,
    redact: tuple[str, ...],
    opens: bool,
) -> None:
    """See every job in a browser, and act on it.

    Prints its address, with a token that is new with every start. Set PULPO_DASHBOARD_TOKEN to have
    one of your own; then it is not printed, and --host may be an address of the network. The
    modules tell which types of jobs there are.

    \b
    pulpo dashboard
    pulpo dashboard shop.tasks --port 8080 --open
    """
    try:
        from pulpo.dashboard.access import Hosts, is_loopback, new_token  # noqa: PLC0415  # extra
        from pulpo.dashboard.app import TOKEN, build  # noqa: PLC0415
        from pulpo.dashboard.serving import listen, serve  # noqa: PLC0415
    except ImportError as error:
        raise CommandError(str(error), code=FAILED) from error
    own = os.environ.get(TOKEN, "")
    if not own and not is_loopback(host):
        raise click.UsageError(
            f"--host {host} lets others in: set {TOKEN} to a long secret of your own first"
        )
    token = own or new_token()
    hosts = Hosts([*allowed, host], any_address=not is_loopback(host))
    app, hidden = _app(target, modules), configured(redact)
    page = build(app, token=token, hosts=hosts, read_only=read_only, hidden=hidden)
    listening = listen(host, port)
    address = f"http://{_shown(host)}:{listening.getsockname()[1]}/"
    # A token of one's own is a secret that the caller keeps; ours is told once, here.
    shown = address if own else f"{address}?token={token}"
    data(shown)
    sys.stdout.flush()  # whoever reads it through a pipe waits for it
    if opens and not webbrowser.open(shown):
        talk("no browser opens here; copy the address")
    _tell_acts()
    serve(page, listening)


def _tell_acts() -> None:
    """Let stderr say who has done what; in an application its own logging does."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    audit = logging.getLogger("pulpo.audit")
    audit.addHandler(handler)
    audit.setLevel(logging.INFO)


def _app(target: Target, modules: tuple[str, ...]) -> Pulpo:
    for name in modules:
        check_module_name(name)
    url, app = shared_url(target), default_app()
    make_folder_importable()
    app.configure(url=url)
    import_modules(modules)
    if modules:
        app.load_handlers()
    app.configure(url=url)  # a module may have called configure() meanwhile
    return app


def _shown(host: str) -> str:
    bare = host.strip("[]")
    return f"[{bare}]" if ":" in bare else bare
