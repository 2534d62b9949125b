"""URLs of queues: which engine, where, with which options.

Pure: nothing is opened. Which schemes exist is known in `pulpo.adapters`, which options an engine
takes is said by the engine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, unquote, urlsplit

from pulpo.errors import UsageError, WrongTypeError

__all__ = ["QueueURL", "mask"]

_SECRET = re.compile(r"(?i)(pass|secret|token|key)")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueURL:
    """The parts of a queue's URL; `path` keeps its leading slash, `text` may hold a secret."""

    text: str = field(repr=False)
    scheme: str
    host: str = ""
    port: int | None = None
    path: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, text: object) -> QueueURL:
        """Split a URL; raises `UsageError` with the masked URL."""
        if not isinstance(text, str):
            raise WrongTypeError(f"a queue's URL must be text: {text!r}")
        try:
            parts = urlsplit(text.strip())
            # Several hosts are split by their engine: only it knows which ports it has.
            is_one = "," not in parts.netloc
            port = parts.port if is_one else None
            options = parse_qsl(
                parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)
            )
        except ValueError as error:
            raise UsageError(f"not a queue's URL ({error}): {mask(text)!r}") from None
        if not parts.scheme or "://" not in text:
            raise UsageError(
                "a queue's URL is like sqlite:///queue.db or beanstalkd://127.0.0.1:11300: "
                f"{mask(text)!r}"
            )
        if port == 0:
            raise UsageError(f"a port is 1 to 65535: {mask(text)!r}")
        if parts.fragment or len(dict(options)) != len(options):
            raise UsageError(f"a queue's URL has no fragment and no option twice: {mask(text)!r}")
        return cls(
            text=text.strip(),
            scheme=parts.scheme.lower(),
            host=(parts.hostname or "") if is_one else parts.netloc.rpartition("@")[2],
            port=port,
            path=unquote(parts.path),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            options=dict(options),
        )

    def only(self, known: Collection[str]) -> None:
        """Raise `UsageError` naming the first option that is not among `known`."""
        for name in self.options:
            if name not in known:
                raise UsageError(
                    f"{self.scheme} knows no option {name!r}; "
                    f"it knows: {', '.join(sorted(known)) or 'none'}"
                )

    def without(self, names: Collection[str]) -> QueueURL:
        """Return this URL with some options left out; its text stays as it was given."""
        left = {name: value for name, value in self.options.items() if name not in names}
        return replace(self, options=left)

    def choice(self, name: str, allowed: Collection[str], default: str) -> str:
        """Return one option, which must be among the allowed."""
        value = self.options.get(name, default)
        if value not in allowed:
            raise UsageError(f"option {name!r} must be {' or '.join(sorted(allowed))}: {value!r}")
        return value

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return one option as a whole number in its range."""
        text = self.options.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"\d{1,18}", text, re.ASCII) or not least <= int(text) <= most:
            raise UsageError(f"option {name!r} must be {least} to {most}: {text!r}")
        return int(text)

    @property
    def masked(self) -> str:
        """The URL without its secrets, for logs and errors."""
        return mask(self.text)


def mask(text: object) -> str:
    """Return a URL with passwords and secret options as `***`."""
    # Up to the last @: a password that is not quoted as it should be must not show either.
    shown = re.sub(r"(?<=://)([^/@:?#]*):[^?#]*@", r"\1:***@", str(text))
    return re.sub(
        r"([?&])([^=&]+)=([^&]*)",
        lambda m: f"{m[1]}{m[2]}=***" if _SECRET.search(m[2]) else m[0],
        shown,
    )
