"""Where pulpo finds its settings: environment variables and one settings file.

The file is `pulpo.toml`, with its keys at the top, or `pyproject.toml`, with them in
`[tool.pulpo]`; the nearest one from the current folder upwards that speaks of pulpo counts, and
in one folder `pulpo.toml` goes first:

    url = "beanstalkd://127.0.0.1:11300"

    [handlers]
    "image.resize" = "shop.images:Resize"
    "image.crop" = { handler = "shop.images:Crop", queue = "images", retries = 3 }

    [schedules]
    tidy = { type = "image.tidy", cron = "0 3 * * *", tz = "Europe/Zurich" }

This file opens no queue and imports no handler.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from pulpo.errors import ConfigurationError, UsageError
from pulpo.spelling import closest

__all__ = ["DEFAULT_URL", "FoundURL", "Settings", "find_settings", "find_url", "signing_keys"]

DEFAULT_URL = "sqlite:///.pulpo/queue.db"
_KEYS = ("url", "handlers", "schedules", "redact")
_OPTION_OF_TYPE = "handler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a settings file says; empty where there is none.

    `handlers` maps each job type to the options of its table, the handler's place among them as
    `handler`, `schedules` the name of each schedule to its table, with the job type as `type`.
    `redact` are the names whose values are not shown, None where the file does not say.
    `file` is where it was said.
    """

    file: Path | None = None
    url: str | None = field(default=None, repr=False)  # it may hold a password
    handlers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    schedules: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    redact: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class FoundURL:
    """A queue's URL and where it was found; `source` is empty for an argument."""

    url: str = field(repr=False)  # it may hold a password
    source: str = ""


def find_url(argument: str | None) -> FoundURL:
    """Return the URL that counts: argument, `PULPO_URL`, settings file, `DEFAULT_URL`."""
    if argument is not None:
        return FoundURL(argument)
    from_environment = os.environ.get("PULPO_URL", "").strip()
    if from_environment:
        return FoundURL(from_environment, "PULPO_URL")
    settings = find_settings()
    if settings.url is not None and settings.file is not None:
        url = _from_folder(settings.url, settings.file.parent)
        return FoundURL(url, f"url in {settings.file}")
    return FoundURL(DEFAULT_URL, "the default")


def _from_folder(url: str, folder: Path) -> str:
    """Return the URL of a relative file as seen from the settings file's folder.

    Else a producer and a worker that start in different folders would use different files.
    """
    relative = re.fullmatch(r"sqlite:///(?!/)([^?]+)(.*)", url, re.DOTALL)
    if relative is None:
        return url
    return f"sqlite:///{quote(str(folder))}/{relative[1]}{relative[2]}"


def signing_keys() -> Sequence[bytes]:
    """Return the keys of `PULPO_SIGNING_KEYS`: comma separated, the first one signs."""
    text = os.environ.get("PULPO_SIGNING_KEYS", "").strip()
    if not text:
        return ()
    keys = [key.strip().encode() for key in text.split(",")]
    if not all(keys):
        # An empty key would be one that everybody has; and a key must not be shown in an error.
        raise ConfigurationError("PULPO_SIGNING_KEYS must be keys, comma separated: one is empty")
    return keys


def find_settings(folder: Path | None = None) -> Settings:
    """Return the settings of the nearest file, from `folder` (default: the current) upwards."""
    start = (folder or Path.cwd()).absolute()
    for place in (start, *start.parents):
        for name in ("pulpo.toml", "pyproject.toml"):
            settings = _read(place / name)
            if settings is not None:
                return settings
    return Settings()


def _read(file: Path) -> Settings | None:
    try:
        with file.open("rb") as opened:
            found = tomllib.load(opened)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise ConfigurationError(f"{file} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is no TOML: {error}") from None
    table = _own_table(file, found)
    return None if table is None else _settings(file, table)


def _own_table(file: Path, found: Mapping[str, object]) -> object | None:
    tool = found.get("tool")
    inside = tool.get("pulpo") if isinstance(tool, dict) else None
    # A table moved over from pyproject.toml as it was means the same in pulpo.toml.
    return found if inside is None and file.name == "pulpo.toml" else inside


def _settings(file: Path, table: object) -> Settings:
    if not isinstance(table, dict):
        raise ConfigurationError(f"tool.pulpo in {file} must be a table: {table!r}")
    for key in table:
        if key not in _KEYS:
            close = closest(key, _KEYS)
            hint = f"did you mean {close!r}?" if close else f"known: {', '.join(_KEYS)}"
            raise ConfigurationError(f"unknown key {key!r} in {file}; {hint}")
    url = table.get("url")
    if url is not None and not isinstance(url, str):
        raise ConfigurationError(f"url in {file} must be text: {url!r}")
    handlers = table.get("handlers", {})
    if not isinstance(handlers, dict):
        raise ConfigurationError(f"handlers in {file} must be a table: {handlers!r}")
    entries = {type: _entry(file, type, value) for type, value in handlers.items()}
    return Settings(
        file=file,
        url=url,
        handlers=entries,
        redact=_redact(file, table),
        schedules=_schedules(file, table),
    )


def _redact(file: Path, table: Mapping[str, object]) -> tuple[str, ...] | None:
    if "redact" not in table:
        return None
    from pulpo.redaction import check_patterns  # noqa: PLC0415  # no producer needs it

    try:
        return check_patterns(table["redact"])
    except UsageError as error:
        raise ConfigurationError(f"{file}: {error}") from None


def _schedules(file: Path, table: Mapping[str, object]) -> Mapping[str, Mapping[str, object]]:
    schedules = table.get("schedules", {})
    if not isinstance(schedules, dict):
        raise ConfigurationError(f"schedules in {file} must be a table: {schedules!r}")
    for name, entry in schedules.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise ConfigurationError(
                f"schedules.{name!r} in {file} must be a table with type = 'a job type' and "
                f"every = '10m' or cron = '0 9 * * *' (a name with dots needs quotes): {entry!r}"
            )
    return schedules


def _entry(file: Path, type: str, value: object) -> Mapping[str, object]:
    if isinstance(value, str):
        return {_OPTION_OF_TYPE: value}
    if isinstance(value, dict) and isinstance(value.get(_OPTION_OF_TYPE), str):
        return value
    hint = ""
    if isinstance(value, dict) and _OPTION_OF_TYPE not in value:
        # [tool.pulpo.handlers] image.resize = ... is a table in a table, as TOML reads dots.
        hint = "; a type with dots needs quotes"
    raise ConfigurationError(
        f"handlers.{type!r} in {file} must be 'module:name' or a table with handler = "
        f"'module:name'{hint}: {value!r}"
    )
