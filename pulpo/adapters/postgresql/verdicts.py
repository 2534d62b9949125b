"""What a PostgreSQL's settings and counts say about the promise; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pulpo.checkup import Finding, fault, note, ok, warning
from pulpo.duration import as_text

__all__ = [
    "judge_clock",
    "judge_oldest",
    "judge_owners",
    "judge_schema",
    "judge_server",
    "judge_session",
    "judge_vacuum",
]

_CLOCK_LIMIT = 5.0
_LONG = 600.0
_LONG_NAP = 15.0
_MANY_DEAD = 500_000


def judge_server(server: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge the server: its version, whether it is the primary, what it syncs, who may come."""
    why = "pulpo needs PostgreSQL 13 or newer; it is tested on 15"
    if server["number"] < 130_000:
        yield fault("version", f"PostgreSQL {server['version']}", why, "upgrade it")
    else:
        yield ok("version", f"PostgreSQL {server['version']}", why)
    why = "jobs hold text of every language"
    if server["encoding"] != "UTF8":
        do = "make a database with ENCODING 'UTF8' for the queue"
        yield fault("encoding", str(server["encoding"]), why, do)
    else:
        yield ok("encoding", "UTF8", why)
    why = "only the primary takes jobs"
    if server["standby"]:
        do = "name all nodes in the URL, with target_session_attrs=read-write"
        yield fault("primary", "this is a standby", why, do)
    else:
        yield ok("primary", "yes", why)
    yield _sync(server)
    yield _standbys(server)
    yield _connections(server)


def _sync(server: Mapping[str, Any]) -> Finding:
    why = "what is not synced may be gone after a power cut"
    off = [name for name in ("fsync", "full_page_writes") if server[name] != "on"]
    if off:
        do = f"set {' and '.join(off)} to on in postgresql.conf"
        return fault("sync", f"{' and '.join(off)} off", why, do)
    shown = f"synchronous_commit={server['synchronous_commit']}"
    if server["synchronous_commit"] == "off":
        shown += " (pulpo sets it to on where it publishes)"
    return ok("sync", shown, why)


def _standbys(server: Mapping[str, Any]) -> Finding:
    why = "a job that only the primary has is gone with the primary's disk"
    names = str(server["standbys"])
    if not names:
        do = "set synchronous_standby_names, if the loss of a machine must lose nothing"
        return note("standby", "no synchronous standby", why, do)
    if server["synchronous_commit"] in ("local", "off"):
        do = "set synchronous_commit to on"
        found = f"{names!r}, but synchronous_commit={server['synchronous_commit']} waits for none"
        return warning("standby", found, why, do)
    return ok("standby", f"synchronous: {names!r}", why)


def _connections(server: Mapping[str, Any]) -> Finding:
    why = "each worker process and each thread that publishes has a connection of its own"
    found = f"{server['connections']} of {server['most']}"
    if server["connections"] > 0.8 * server["most"]:
        do = "raise max_connections, or put a pooler in between (see ?pooled=1)"
        return warning("connections", found, why, do)
    return ok("connections", found, why)


def judge_clock(ahead: float) -> Finding:
    """Judge the database's clock, `ahead` of this host's by so many seconds."""
    why = "delays, dates and leases go by the database's clock"
    if abs(ahead) <= _CLOCK_LIMIT:
        return ok("clock", "that of the database agrees with this host's", why)
    side = "ahead of" if ahead > 0 else "behind"
    found = f"the database is {as_text(float(round(abs(ahead))))} {side} this host"
    return warning("clock", found, why, "let chrony or ntpd slew both, and step neither")


def judge_session(*, pooled: bool | None, direct: bool) -> Finding:
    """Judge whether the server knows us: `direct` is its word, `pooled` the URL's."""
    why = "through a pooler nobody can be rung: workers ask for jobs up to 3 times a second, and a "
    why += "dead one's jobs are back after 15 s"
    if pooled or (pooled is None and not direct):
        do = "connect directly, or say pooled=0 if the pooler keeps whole sessions"
        return note("session", "behind a pooler", why, do)
    if not direct:
        return ok("session", "behind a pooler that keeps sessions, as the URL says", why)
    return ok("session", "direct", why)


def judge_schema(schema: str, found: int, wanted: int) -> Finding:
    """Judge the version of the tables."""
    why = "nothing is made by surprise: tables come with `pulpo migrate`, or create=1 in the URL"
    if not found:
        return fault("schema", f"{schema!r} is not there", why, "run `pulpo migrate`")
    if found < wanted:
        text = f"{schema!r} has version {found}, this pulpo needs {wanted}"
        return fault("schema", text, why, "run `pulpo migrate`; workers may go on meanwhile")
    return ok("schema", f"{schema!r}, version {found}", why)


def judge_vacuum(server: Mapping[str, Any], live: int, dead: int, size: int) -> Finding:
    """Judge what is left over of jobs that are gone."""
    why = "a settled job leaves rows behind that vacuum takes away; until then each claim passes "
    why += "over them"
    found = f"{dead:,} dead rows beside {live:,}, {size / 2**20:,.0f} MB"
    if server["autovacuum"] != "on":
        return fault("vacuum", f"autovacuum is off; {found}", why, "set autovacuum to on")
    if dead > max(_MANY_DEAD, 4 * live):
        do = "look for old transactions, see below; then VACUUM the table"
        return warning("vacuum", found, why, do)
    if server["naptime"] > _LONG_NAP:
        found += f"; autovacuum comes by every {as_text(float(server['naptime']))}"
        do = "above 1,000 jobs a second: set autovacuum_naptime to 5s"
        return note("vacuum", found, why, do)
    return ok("vacuum", found, why)


def judge_oldest(seconds: float) -> Finding:
    """Judge the oldest transaction of this database."""
    why = "what is gone is kept for the oldest transaction, of whatever program"
    found = f"the oldest transaction has been open for {as_text(float(round(seconds)))}"
    if seconds > _LONG:
        do = "end it: pg_stat_activity names it; set idle_in_transaction_session_timeout"
        return warning("transactions", found, why, do)
    return ok("transactions", found, why)


def judge_owners(alive: int, dead: int) -> Finding:
    """Say how many worker processes hold jobs."""
    shown = f"{alive} worker process{'es' * (alive != 1)} alive"
    return ok(
        "owners",
        shown + (f", {dead} dead whose jobs others have" if dead else ""),
        "a worker's session says whether it lives; a dead one's jobs are ready at once",
    )
