"""What a worker process does first: import the code, and say what to work with.

Runs once in each process of a worker, after its start; everything that the parent must not do
(running user code, opening the queue) happens here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from pulpo import default_app
from pulpo.adapters import open_engine
from pulpo.app import Pulpo
from pulpo.cli.door import memory_refusal
from pulpo.cli.errors import REFUSED
from pulpo.configuration import find_settings
from pulpo.errors import LoadError, UsageError
from pulpo.loading import check_module_name, import_modules, make_folder_importable
from pulpo.queue_url import mask
from pulpo.worker.rules import refused_types
from pulpo.worker.settings import WorkerParts

__all__ = ["check_modules", "load_parts"]


def check_modules(modules: Sequence[str]) -> None:
    """Refuse names that no module has, and no name at all where no settings file has handlers."""
    for name in modules:
        check_module_name(name)
    if not modules and not find_settings().handlers:
        command = click.get_current_context().info_name
        raise click.UsageError(
            f"name a module, like 'pulpo {command} shop.tasks', or set [tool.pulpo.handlers]"
        )


def load_parts(modules: Sequence[str], url: str | None, also: str | None = None) -> WorkerParts:
    """Import the modules and the handlers of the settings file; return the parts of the worker.

    With `also` it works on that queue, while what its jobs publish goes to the usual one. Raises
    `LoadError` for everything that is wrong with them.
    """
    app = default_app()
    make_folder_importable()
    try:
        if url is not None:
            app.configure(url=url)
        import_modules(modules)
        app.load_handlers()
        if url is not None:
            # A module may have called configure() meanwhile; the command line counts before it.
            app.configure(url=url)
        _check(app, modules)
        if also is not None:
            return replace(app.parts(), engine=open_engine(also), shown_url=mask(also))
        return app.parts()
    except LoadError:
        raise
    except UsageError as error:
        raise LoadError(str(error)) from error


def _check(app: Pulpo, modules: Sequence[str]) -> None:
    # Such a worker would put aside every job that it meets, and bury it after a day.
    if not len(app.registry):
        named = ", ".join(map(repr, modules)) or "the settings file"
        raise LoadError(f"no job types in {named}: nothing is declared with @pulpo.job or register")
    refusal = memory_refusal(app.shown_url)
    if refusal is not None:
        raise LoadError(refusal, exit_code=REFUSED)
    for refused in refused_types(app.engine, app.registry):
        raise LoadError(refused.why, exit_code=REFUSED)
