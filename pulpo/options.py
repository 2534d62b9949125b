"""The options of a job type: their names, their checks, and the `JobType` they make.

`@pulpo.job`, `pulpo.register` and `[tool.pulpo.handlers]` take the same ones, checked here once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

from pulpo.duration import Duration, seconds
from pulpo.envelope import DEFAULT_QUEUE, DEFAULT_TTR
from pulpo.errors import UnknownOptionError, UsageError, WrongTypeError
from pulpo.identity import NORMAL, check_priority, check_queue, check_type
from pulpo.message import check_ttr
from pulpo.periodic.timing import TIMING_OPTIONS, TimingOptions, make_timing
from pulpo.registry import Bind, JobType, Named, named_body
from pulpo.retry import Backoff, RetryPolicy
from pulpo.spelling import closest
from pulpo.unique import Unique, check_unique

if TYPE_CHECKING:
    from pulpo.limit import Limit

__all__ = ["JobOptions", "check_known", "make_job_type"]


class JobOptions(TimingOptions, total=False):
    """What can be said about a job type; each option may be left out.

    `type` names it on the wire (default `module.qualname`), `aliases` are former names. `queue`
    and `priority` are where and how urgently its jobs wait. `retries` counts the runs after the
    first, `backoff` the seconds between them, `transient` and `fatal` say which errors are worth
    another run. `timeout` ends one run, `ttr` is the lease, `expires` how long a job is worth
    running. `unique` keeps a second job out while there is one, True = one with the same values.
    `limit` is a `pulpo.Limit` over all workers, `slots` how many run at once in one process.
    With `every` or `cron` it is published again and again, by the workers themselves; see
    `TimingOptions`.
    """

    type: str
    aliases: Sequence[str]
    queue: str
    priority: int
    retries: int
    backoff: Backoff
    transient: type[BaseException] | tuple[type[BaseException], ...]
    fatal: type[BaseException] | tuple[type[BaseException], ...]
    timeout: Duration
    ttr: Duration
    expires: Duration | None
    unique: Unique | bool
    limit: Limit | Mapping[str, object]
    slots: int


KNOWN = (
    *(name for name in JobOptions.__annotations__ if name not in TIMING_OPTIONS),
    *TIMING_OPTIONS,
)


def check_known(names: Mapping[str, object], known: Sequence[str] = KNOWN) -> None:
    """Raise `UnknownOptionError` for the first option that nobody knows."""
    for name in names:
        if name not in known:
            close = closest(name, known)
            hint = f"did you mean {close!r}?" if close else f"known: {', '.join(known)}"
            raise UnknownOptionError(f"unknown option {name!r}; {hint}")


def make_job_type(
    options: JobOptions,
    *,
    type: str,
    bind: Bind,
    is_async: bool,
    source: str,
    named: Named = named_body,
) -> JobType:
    """Check every option and return the job type; an error names the option and its range.

    `type` is the name where the options give none, `source` says where the handler's code is,
    `named` what the values in a body are called.
    """
    check_known(options)
    retry = {
        key: options[key] for key in ("retries", "backoff", "transient", "fatal") if key in options
    }
    timeout = seconds(options.get("timeout", 600.0), "timeout")
    if timeout == 0:
        raise UsageError(f"timeout must be more than 0: {options.get('timeout')!r}")
    expires = options.get("expires")
    return JobType(
        type=check_type(options.get("type", type)),
        bind=bind,
        is_async=is_async,
        source=source,
        aliases=_aliases(options.get("aliases", ())),
        queue=check_queue(options.get("queue", DEFAULT_QUEUE)),
        priority=check_priority(options.get("priority", NORMAL)),
        policy=RetryPolicy(**retry),  # type: ignore[arg-type]  # it checks each value itself
        timeout=timeout,
        ttr=check_ttr(options.get("ttr", DEFAULT_TTR)),
        expires=None if expires is None else seconds(expires, "expires"),
        unique=check_unique(options.get("unique", False)) or None,
        **_limits(options),
        named=named,
        timing=make_timing(options),
    )


class _Limits(TypedDict, total=False):
    limit: Limit
    slots: int


def _limits(options: JobOptions) -> _Limits:
    if "limit" not in options and "slots" not in options:
        return {}
    from pulpo.limit import as_limit, check_slots  # noqa: PLC0415  # most types have none

    found: _Limits = {}
    if options.get("limit") is not None:
        found["limit"] = as_limit(options["limit"])
    if options.get("slots") is not None:
        found["slots"] = check_slots(options["slots"], "slots")
    return found


def _aliases(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise WrongTypeError(f"aliases must be a list of names: {value!r}")
    return tuple(check_type(name) for name in value)
