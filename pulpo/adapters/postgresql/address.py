"""Where a PostgreSQL is, and what pulpo's own options of its URL say; nothing is opened here.

All other options are libpq's: several hosts, TLS, `target_session_attrs`
(https://www.postgresql.org/docs/current/libpq-connect.html).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from pulpo.errors import UsageError
from pulpo.queue_url import QueueURL

__all__ = ["Address"]

_OWN = ("create", "max_job_size", "pooled", "schema")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,39}", re.ASCII)
# beanstalkd's own limit, so that a job which one engine takes can move to the other.
_DEFAULT_SIZE = 65_535
_LARGEST_SIZE = 64 * 2**20
# A peer that is gone without a word is known to be gone within a quarter of a minute.
_DEFAULTS = {
    "application_name": "pulpo",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One queue in one database.

    `conninfo` is for libpq and may hold a secret, `shown` is for people. `pooled` is None where the
    URL leaves it to us to find out.
    """

    conninfo: str = field(repr=False)
    shown: str
    schema: str
    creates: bool
    pooled: bool | None
    max_body: int

    @classmethod
    def of(cls, url: QueueURL) -> Address:
        """Read a URL; raises `UsageError` for an option that neither pulpo nor libpq knows."""
        schema = url.options.get("schema", "pulpo")
        if not _SCHEMA.fullmatch(schema) or schema.startswith("pg_"):
            raise UsageError(
                "option 'schema' must be 1 to 40 of a-z 0-9 _ and start with a letter, but not "
                f"with pg_: {schema!r}"
            )
        pooled = url.choice("pooled", ("0", "1", "auto"), "auto")
        return cls(
            conninfo=_conninfo(url),
            shown=repr(url.masked),
            schema=schema,
            creates=url.choice("create", ("0", "1"), "0") == "1",
            pooled=None if pooled == "auto" else pooled == "1",
            max_body=url.whole("max_job_size", _DEFAULT_SIZE, least=1, most=_LARGEST_SIZE),
        )


def _conninfo(url: QueueURL) -> str:
    options = {**_DEFAULTS, **url.without(_OWN).options}
    query = urlencode(options, quote_via=quote)  # libpq takes + for a plus
    parts = urlsplit(url.text)
    text = urlunsplit(("postgresql", parts.netloc, parts.path, query, ""))
    if (
        not parts.netloc
    ):  # a socket's folder is named by an option then, and urlunsplit drops the //
        text = text.replace("postgresql:", "postgresql://", 1)
    return text
