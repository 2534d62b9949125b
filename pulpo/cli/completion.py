"""`pulpo completion`: a script for the shell, so that it completes commands and options.

It is click's own; the shell then asks `pulpo` itself what may follow, by `_PULPO_COMPLETE`.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from pulpo.cli.output import data
from pulpo.cli.target import target_options

__all__ = ["completion"]

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
@target_options
@click.pass_context
def completion(context: click.Context, shell: str | None) -> None:
    """Print what makes a shell complete pulpo's commands; the shell is that of SHELL if not given.

    \b
    pulpo completion bash >> ~/.bashrc
    pulpo completion zsh >> ~/.zshrc
    pulpo completion fish > ~/.config/fish/completions/pulpo.fish
    """
    name = shell or Path(os.environ.get("SHELL", "")).name
    found = get_completion_class(name) if name in _SHELLS else None
    if found is None:
        raise click.UsageError(f"name the shell: {', '.join(_SHELLS)}")
    root = context.find_root().command
    data(found(root, {}, "pulpo", "_PULPO_COMPLETE").source().rstrip("\n"))
