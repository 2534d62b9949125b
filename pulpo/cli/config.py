"""`pulpo config show`: what this command works with, and who said so.

A module may call `pulpo.configure` when it is loaded; no module is loaded here, so that is not
among the sources.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import click

from pulpo.cli.output import data, for_people, json_line
from pulpo.cli.target import Target, pass_target, target_options
from pulpo.cli.verbs import Verbs, help_without_verb
from pulpo.configuration import FoundURL, find_settings, find_url, signing_keys
from pulpo.queue_url import mask
from pulpo.redaction import DEFAULT
from pulpo.view import as_json

__all__ = ["config"]


@dataclass(frozen=True, slots=True)
class _Setting:
    """One value that counts, as a person may see it, and where it was said."""

    name: str
    value: object
    source: str


@click.group(cls=Verbs, invoke_without_command=True)
@target_options
@click.pass_context
def config(context: click.Context) -> None:
    """Look at the settings.

    \b
    pulpo config show
    """
    help_without_verb(context)


@config.command("show")
@click.option("--json", "in_json", is_flag=True, help="One JSON object.")
@target_options
@pass_target
def show_config(target: Target, in_json: bool) -> None:
    """Show each setting and where it comes from; passwords and keys are never shown.

    \b
    pulpo config show --json
    """
    found = _found(target)
    if in_json:
        shown = {each.name: {"value": each.value, "source": each.source} for each in found}
        data(json_line(shown))
        return
    rows = [[each.name, _as_text(each.value), each.source] for each in found]
    data(for_people(("setting", "value", "from"), rows))


def _found(target: Target) -> list[_Setting]:
    url = find_url(target.url)
    settings = find_settings()
    file = None if settings.file is None else str(settings.file)
    keys = len(signing_keys())
    found = [
        _Setting("url", mask(url.url), _source(url, file)),
        _Setting("settings", file, "default" if file is None else "found from this folder upwards"),
        _Setting("signing_keys", keys, "PULPO_SIGNING_KEYS" if keys else "default"),
    ]
    redact = settings.redact
    names = DEFAULT.patterns if redact is None else redact
    found.append(_Setting("redact", list(names), "default" if redact is None else file or ""))
    if settings.handlers:
        found.append(_Setting("handlers", as_json(settings.handlers), file or ""))
    return found


def _source(url: FoundURL, file: str | None) -> str:
    """Return where a URL comes from: argument, PULPO_URL, a file's path, default."""
    if not url.source:
        return "argument"
    if url.source == "PULPO_URL" and os.environ.get("PULPO_URL", "").strip():
        return "PULPO_URL"
    if file is not None and file in url.source:
        return file
    return "default"


def _as_text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(value)
    if isinstance(value, list):
        return ", ".join(value) or "nothing"
    return str(value)
