"""What becomes of a job once its handler has spoken, or could not be asked.

Pure: no clock, no queue, no randomness; who asks supplies the time and the spread. When a failed
job runs again is said in `pulpo.retry`; how a verdict reaches the queue, in `pulpo.worker.rewrite`.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import Enum

from pulpo.duration import Duration, as_text, seconds
from pulpo.envelope import Envelope
from pulpo.errors import TransientError
from pulpo.job import Verb
from pulpo.limit import Limit, LimitKey
from pulpo.outcome import Bury, Cancel, Retry, Snooze
from pulpo.retry import LONGEST_BACKOFF, RetryPolicy, default_backoff
from pulpo.worker.story import as_line, clean, tell

__all__ = ["Ending", "Raised", "Verdict", "decide"]

# 136 years: a handler may ask for more, a queue can't count it.
LONGEST_DELAY = 2.0**32 - 1
LONGEST_BOUNCE = 60.0
BOUNCES_END = 86_400.0
DECODING_TRIES = 5
# Of a queue whose clock is not ours: so much before its date a job is put back, and so often.
EARLY = 2.0
MOST_EARLY = 3
# Between two tries of a job that nobody could be asked about, in seconds.
FIRST_UNASKED, LONGEST_UNASKED = 1.0, 60.0
# Of one that waits for a slot, should nobody wake it.
FIRST_NET, LONGEST_NET = 60.0, 3_600.0
# Of one that finds no slot in one process: others may have one, and here there is one soon.
FIRST_ASIDE, LONGEST_ASIDE = 1.0, 15.0


class Ending(Enum):
    """How a run ended, as logs and counters call it."""

    SUCCESS = "success"
    RETRIED = "retried"
    SNOOZED = "snoozed"
    CANCELLED = "cancelled"
    BURIED = "buried"
    EXPIRED = "expired"
    BOUNCED = "bounced"
    RELEASED = "released"
    LIMITED = "limited"
    DUPLICATE = "duplicate"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Raised:
    """What a handler raised, apart from what it returned: an exception may also be a value."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a job.

    `failures`, `bounces`, `bounced`, `early`, `limited` and `turn` are the new values of these
    headers, `error` is added to its story in full, `reason` is one line for the log.
    """

    ending: Ending
    verb: Verb
    delay: float = 0.0
    failures: int = 0
    bounces: int = 0
    bounced: float | None = None
    early: int = 0
    limited: float | None = None
    turn: float | None = None
    error: str = ""
    reason: str = ""


_SPOKEN = (Raised, Retry, Snooze, Bury, Cancel)
SUCCESS = Verdict(Ending.SUCCESS, Verb.DELETE)
EXPIRED = Verdict(Ending.EXPIRED, Verb.DELETE, reason="expired before it was run")
RELEASED = Verdict(Ending.RELEASED, Verb.RELEASE)
LOST = Verdict(Ending.LOST, Verb.DELETE, reason="the lease was lost; somebody else runs it")


def decide(
    result: object, policy: RetryPolicy, *, failures: int, spread: float, at_least: float = 0.0
) -> Verdict:
    """Return what becomes of a job whose handler returned a value or `Raised` an error.

    `failures` are those before this run, `spread` is -1.0 to 1.0, `at_least` the shortest delay
    before another run, in seconds. Whatever objects a handler returned or raised, this does not
    raise.
    """
    if result is None or not issubclass(type(result), _SPOKEN):  # nearly always
        return SUCCESS
    try:
        return _read(result, policy, failures, spread, at_least)
    except BaseException as odd:  # noqa: BLE001  # the code of the user's own objects
        reason = f"its outcome cannot be read: {type(odd).__name__} was raised in it"
        return _bury(reason, reason, failures + 1)


def _read(
    result: object, policy: RetryPolicy, failures: int, spread: float, at_least: float
) -> Verdict:
    match result:
        case Raised(error):
            return _after_error(error, policy, failures + 1, spread, at_least)
        case Retry(delay, reason):
            told = clean(reason) or "the handler asked for a retry"
            given = None if delay is None else _bounded(delay)
            error = TransientError(told)
            return _retry(error, told, policy, failures + 1, spread, at_least, given)
        case Snooze(delay):
            wait = max(_bounded(delay), at_least)
            reason = f"again in {as_text(wait)}"
            return Verdict(Ending.SNOOZED, Verb.REPLACE, wait, failures, reason=reason)
        case Bury(reason):
            told = clean(reason) or "the handler asked to bury it"
            return _bury(told, told, failures + 1)
        case Cancel(reason):
            return Verdict(Ending.CANCELLED, Verb.DELETE, reason=as_line(clean(reason)))
        case _:
            return SUCCESS


def bounce(reason: str, envelope: Envelope, *, now: float, spread: float) -> Verdict:
    """Return what becomes of a job that this code does not know: it waits for the code that does.

    `now` is seconds since the epoch. Spends no attempt, and gives none back.
    """
    failures, bounces, bounced = envelope.failures, envelope.bounces, envelope.bounced
    first = now if bounced is None else bounced
    if now - first > BOUNCES_END:
        return _bury(f"{reason}, for a day", f"{reason}, for a day", failures)
    delay = min(2.0 ** min(bounces, 10), LONGEST_BOUNCE) * (1 + 0.1 * spread)
    return Verdict(
        Ending.BOUNCED, Verb.REPLACE, delay, failures, bounces + 1, bounced=first, reason=reason
    )


def premature(envelope: Envelope, *, now: float) -> Verdict | None:
    """Return what becomes of a job that comes before its date; None where it may run.

    `now` is seconds since the epoch. A queue's clock that was set forward lets it come early; a
    worker's that is behind must not keep it for ever.
    """
    due, early = envelope.due, envelope.early
    if due is None or due - now <= EARLY or early >= MOST_EARLY:
        return None
    return Verdict(
        Ending.SNOOZED,
        Verb.REPLACE,
        min(due - now, LONGEST_DELAY),
        envelope.failures,
        envelope.bounces,
        envelope.bounced,
        early + 1,
        reason=f"handed out {as_text(due - now)} before its date; the queue's clock is ahead",
    )


def duplicate(envelope: Envelope, holder: str) -> Verdict:
    """Return what becomes of a job that must not run, since another one holds its key."""
    reason = f"job {holder} holds its key and stands for it"
    return Verdict(Ending.DUPLICATE, Verb.DELETE, failures=envelope.failures, reason=reason)


def not_now(
    envelope: Envelope, reason: str, *, now: float, least: float, longest: float, spread: float
) -> Verdict:
    """Return what becomes of a job that may not start yet, though nothing is wrong with it.

    It comes again after as long as it has waited so far, `least` seconds or more and up to
    `longest`. `now` is seconds since the epoch. Spends no attempt.
    """
    since = now if envelope.limited is None else envelope.limited
    wait = min(max(now - since, least), longest) * (1 + 0.1 * spread)
    return Verdict(
        Ending.LIMITED,
        Verb.REPLACE,
        wait,
        envelope.failures,
        limited=since,
        turn=envelope.turn,
        reason=reason,
    )


def unasked(envelope: Envelope, why: str, *, now: float, spread: float) -> Verdict:
    """Return what becomes of a job where it cannot be asked whether it may start."""
    reason = f"whether it may start cannot be asked: {as_line(why)}"
    least, longest = FIRST_UNASKED, LONGEST_UNASKED
    return not_now(envelope, reason, now=now, least=least, longest=longest, spread=spread)


def no_slot(
    envelope: Envelope, key: LimitKey, limit: Limit, *, now: float, spread: float
) -> Verdict:
    """Return what becomes of a job whose limit has no free slot: it is woken, in the end anyway."""
    slots = "its slot is" if limit.concurrency == 1 else f"all {limit.concurrency} slots are"
    reason, least, longest = f"{slots} taken: {key.shown}", FIRST_NET, LONGEST_NET
    return not_now(envelope, reason, now=now, least=least, longest=longest, spread=spread)


def no_lane(envelope: Envelope, type: str, *, now: float, spread: float) -> Verdict:
    """Return what becomes of a job whose type has no free slot in this process."""
    reason, least, longest = f"this process has no slot for {type}", FIRST_ASIDE, LONGEST_ASIDE
    return not_now(envelope, reason, now=now, least=least, longest=longest, spread=spread)


def not_its_turn(
    envelope: Envelope, key: LimitKey, limit: Limit, *, wait: float, now: float
) -> Verdict:
    """Return what becomes of a job that comes too early for a rate: its turn is in `wait` seconds.

    It has that turn for good, and is not asked again. `now` is in seconds since the epoch.
    """
    wait = min(wait, LONGEST_DELAY)
    return Verdict(
        Ending.LIMITED,
        Verb.REPLACE,
        wait,
        envelope.failures,
        limited=now if envelope.limited is None else envelope.limited,
        turn=now + wait,
        reason=f"its turn at {limit.rate} is in {as_text(wait)}: {key.shown}",
    )


def undecodable(error: Exception, *, failures: int, spread: float) -> Verdict:
    """Return what becomes of bytes that are no job: a few more tries, then put aside."""
    tries = failures + 1
    if tries >= DECODING_TRIES:
        reason = f"undecodable after {tries} tries: {error}"
        return _bury(reason, reason, tries)
    delay = 2.0**tries * (1 + 0.1 * spread)
    reason = f"undecodable: {error}"
    return Verdict(Ending.RETRIED, Verb.REPLACE, delay, tries, error=reason, reason=reason)


def unsigned(error: Exception, *, failures: int) -> Verdict:
    """Return what becomes of a job that nobody with a key has signed: buried, never run."""
    return _bury(str(error), str(error), failures + 1)


def killed_its_process(
    envelope: Envelope, code: int, policy: RetryPolicy, *, at_least: float = 0.0
) -> Verdict:
    """Return what becomes of a job that ran alone and whose process died: it is buried.

    `code` is the exit code, or minus the signal. SIGKILL may have come from outside (an operator,
    a machine out of memory): the first time the job is tried again with that as its error, after
    the backoff of its `policy`, whatever its budget is.
    """
    failures = envelope.failures + 1
    if code >= 0:
        reason = f"its process ended with exit code {code} in the middle of the run"
    else:
        reason = f"its process was killed by signal {-code} ({_signal_name(-code)})"
    if -code != signal.SIGKILL or reason in envelope.errors:
        return _bury(reason, reason, failures)
    backoff, wrong = _backoff(policy, failures, TransientError(reason), spread=0.0)
    # The error is exactly what the next such death is recognized by.
    told = f"{reason}; {wrong}" if wrong else reason
    delay = max(backoff, at_least)
    return Verdict(Ending.RETRIED, Verb.REPLACE, delay, failures, error=reason, reason=told)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _after_error(
    error: BaseException, policy: RetryPolicy, failures: int, spread: float, at_least: float
) -> Verdict:
    text = tell(error)
    if not policy.is_transient(error):
        return _bury(text, as_line(text), failures)
    given: float | None = None
    if issubclass(type(error), TransientError):
        try:
            # A subclass may have forgotten its parent's __init__, or have an odd idea of a delay.
            wanted = getattr(error, "delay", None)
            given = None if wanted is None else _bounded(wanted)
        except BaseException as wrong:  # noqa: BLE001  # a property is the user's code as well
            text = f"{text}\nits delay: {as_line(tell(wrong))}"
    return _retry(error, text, policy, failures, spread, at_least, given)


def _retry(
    error: BaseException,
    text: str,
    policy: RetryPolicy,
    failures: int,
    spread: float,
    at_least: float,
    given: float | None,
) -> Verdict:
    line = as_line(text)
    if not policy.allows(failures):
        return _bury(text, f"out of retries after {failures} failures: {line}", failures)
    if given is None:
        given, wrong = _backoff(policy, failures, error, spread=spread)
        text += f"\n{wrong}" if wrong else ""
    delay = max(given, at_least)
    reason = f"again in {as_text(delay)}: {line}"
    return Verdict(Ending.RETRIED, Verb.REPLACE, delay, failures, error=text, reason=reason)


def _backoff(
    policy: RetryPolicy, failures: int, error: BaseException, *, spread: float
) -> tuple[float, str]:
    """Return the seconds to wait, and a line about the backoff itself where that failed."""
    try:
        return policy.delay(failures, error, spread=spread), ""
    except BaseException as wrong:  # noqa: BLE001  # the user's code; sys.exit() ends no worker
        told = f"its backoff raised {as_line(tell(wrong))}"
        return min(default_backoff(failures), LONGEST_BACKOFF), told


def _bounded(delay: Duration) -> float:
    return min(seconds(delay, "delay"), LONGEST_DELAY)


def _bury(text: str, reason: str, failures: int) -> Verdict:
    return Verdict(Ending.BURIED, Verb.BURY, failures=failures, error=text, reason=as_line(reason))
