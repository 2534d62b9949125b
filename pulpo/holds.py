"""Guards as facts beside the queue, for an engine that keeps none: who holds which key.

A fact is written `pending` before its job is put, and confirmed before the job's first run, at the
latest: so who is pending has never run, and is in the queue or was never put. Whoever meets a fact
that may say nothing any more looks for its job, and takes the key over where that is nowhere. Each
run of a job writes its fact anew: nobody takes a key from a job that begins to run meanwhile. Every
step is a compare-and-set, so all of them may be interrupted anywhere, and repeated.

Knows no engine: the queue is seen through a `Search`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import msgpack

from pulpo.codec import Codec
from pulpo.errors import CodecError, QueueUnavailableError
from pulpo.job import JobId, JobState, ListedJob, Until
from pulpo.side import ABSENT, Fact, Removal, SideStore, Write

__all__ = [
    "SPACE",
    "Claim",
    "Held",
    "Hold",
    "Search",
    "confirm",
    "free",
    "held_by",
    "holds",
    "note",
    "read",
]

#: The space of the facts.
SPACE = "guards"
# A fact ends by itself where its job is nowhere any more and nobody wants its key; no job waits so
# long.
_LONGEST = 400 * 86_400.0
# Of those from whom a key was taken, so many are remembered.
_MOST_BEFORE = 4
# Somebody else is faster so often; then something is wrong.
_MOST_TRIES = 50
# Reads headers whatever the signature: looking is not running.
_READER = Codec()


@dataclass(frozen=True, slots=True)
class Hold:
    """Who holds a key, and until when.

    `number` is where the job was seen last. `before` are those from whom the key was taken because
    they were nowhere: should one of them turn up, it must not run.
    """

    id: JobId
    queue: str
    until: Until
    pending: bool = True
    number: int = 0
    before: tuple[JobId, ...] = ()

    @property
    def is_for_a_time(self) -> bool:
        """Whether it is held for so many seconds, whatever becomes of the job."""
        return not isinstance(self.until, str)

    def write(self, key: str, expected: int, *, left: float | None = None) -> Write:
        """Return the fact to be written; `left` is what is left of a hold for a time."""
        value = (self.id, self.queue, self.until, self.pending, self.number, self.before)
        lasts = _LONGEST if isinstance(self.until, str) else left or self.until
        packed: bytes = msgpack.packb(value)
        return Write(space=SPACE, key=key, value=packed, lasts=lasts, expected=expected)

    def after(self, other: Hold) -> Hold:
        """Return this hold as that of one that takes the key of another, who is nowhere."""
        return replace(self, before=(other.id, *other.before)[:_MOST_BEFORE])


#: Looks for the job of a hold in the queue; None where it is nowhere.
Search: TypeAlias = Callable[[Hold], ListedJob | None]


@dataclass(frozen=True, slots=True)
class Held:
    """A hold as it was read: with the version of its fact, and the seconds that it has left."""

    hold: Hold
    version: int
    left: float

    @property
    def age(self) -> float:
        """How long ago it was written, or a hold for a time begun, in seconds."""
        until = self.hold.until
        return (_LONGEST if isinstance(until, str) else until) - self.left


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that the run of a job needs: it is about to begin."""

    key: str
    hold: Hold


def read(store: SideStore, keys: Sequence[str]) -> list[Held | None]:
    """Return who holds these keys."""
    return [held_by(fact) for fact in store.read(SPACE, keys)]


def held_by(fact: Fact | None) -> Held | None:
    """Return who holds a key by its fact; one that cannot be read is nobody's, and taken over."""
    if fact is None:
        return None
    try:
        id_, queue, until, pending, number, before = msgpack.unpackb(fact.value)
        hold = Hold(id_, queue, until, pending, number, tuple(before))
    except (ValueError, TypeError, msgpack.UnpackException):
        hold = Hold("", "", "done")
    return Held(hold, fact.version, fact.left or 0.0)


def holds(hold: Hold, key: str, job: ListedJob) -> bool:
    """Tell whether a job that was found still holds a key: it is not buried, and still says so."""
    if hold.is_for_a_time:
        return True
    if job.state is JobState.BURIED:
        return False
    try:
        return any(key == name for name, _ in _READER.decode(job.body).guards)
    except CodecError:
        return True


def confirm(store: SideStore, search: Search, claims: Sequence[Claim]) -> list[JobId | None]:
    """Let runs begin: for each claim None, or which job holds the key, so that this one must not.

    Raises `QueueError` where that cannot be known.
    """
    found = read(store, [claim.key for claim in claims])
    answers: list[JobId | None] = []
    easy: list[tuple[int, Write]] = []
    for place, (claim, held) in enumerate(zip(claims, found, strict=True)):
        answers.append(None)
        step = _step(claim, held)
        if isinstance(step, Write):
            easy.append((place, step))
        elif step is not _NOTHING:
            answers[place] = _one(store, search, claim, held)
    written = store.write([write for _, write in easy]) if easy else ()
    for (place, _), done in zip(easy, written, strict=True):
        if not done.done:
            answers[place] = _one(store, search, claims[place], held_by(done.fact))
    return answers


def note(store: SideStore, key: str, held: Held, queue: str, number: int) -> bool:
    """Write down where a holder was seen: so it is in the queue, and found at once the next time.

    False where somebody was faster: then it may hold the key no more. One that was pending may be
    relied upon only after this.
    """
    hold = held.hold
    if not hold.pending and (hold.queue, hold.number) == (queue, number):
        return True
    told = replace(hold, pending=False, queue=queue, number=number)
    (written,) = store.write([told.write(key, held.version, left=held.left)])
    return written.done


def free(store: SideStore, ended: Iterable[tuple[str, JobId]]) -> None:
    """Free the keys that jobs held until they were done, by key and id; not those of others."""
    pairs = list(ended)
    found = read(store, [key for key, _ in pairs])
    removals = [
        Removal(space=SPACE, key=key, expected=held.version)
        for (key, id_), held in zip(pairs, found, strict=True)
        if held is not None and held.hold.id == id_ and held.hold.until == "done"
    ]
    if removals:
        store.remove(removals)


_NOTHING = object()
_LOOK = object()
_AGAIN = object()


def _step(claim: Claim, held: Held | None) -> object:
    """Return what is to be done about a key before a run begins: pure.

    A fact to be written or removed; nothing; or a look for the job that seems to hold it.
    """
    hold, key = claim.hold, claim.key
    if held is None:
        # Freed by its first run, or over; the fact of one that holds on may be lost, and is made.
        return hold.write(key, ABSENT) if hold.until == "done" else _NOTHING
    other = held.hold
    if other.id == hold.id:
        if hold.until == "started":
            return Removal(space=SPACE, key=key, expected=held.version)
        if hold.is_for_a_time and not other.pending:
            return _NOTHING
        mine = replace(hold, before=other.before)
        return mine.write(key, held.version, left=held.left)
    if hold.until != "done" and hold.id not in other.before:
        return _NOTHING  # it has started before, or its time is over: the key is rightly another's
    return _LOOK


def _one(store: SideStore, search: Search, claim: Claim, held: Held | None) -> JobId | None:
    for _ in range(_MOST_TRIES):
        step = _step(claim, held)
        if step is _NOTHING:
            return None
        if step is _LOOK:
            assert held is not None
            found = _live(store, search, held, claim.key)
            if found is True:
                return held.hold.id
            step = _take_back(claim, held) if found is False else _AGAIN
        if isinstance(step, Write):
            (written,) = store.write([step])
            if written.done:
                return None
            held = held_by(written.fact)
        elif isinstance(step, Removal) and store.remove([step]) == [True]:
            return None
        else:
            (held,) = read(store, [claim.key])
    raise QueueUnavailableError(f"a key changes hands again and again: {claim.key!r}")


def _live(store: SideStore, search: Search, held: Held, key: str) -> bool | None:
    """Tell whether a holder is there, and holds the key; None: somebody was faster, look again."""
    hold = held.hold
    if hold.is_for_a_time and not hold.pending:
        return True
    job = search(hold)
    if job is None or not holds(hold, key, job):
        return False
    return True if note(store, key, held, job.queue, job.number) else None


def _take_back(claim: Claim, held: Held) -> Write | Removal:
    """Return what makes good that somebody took the key of a job which is there after all."""
    if claim.hold.until == "started":
        return Removal(space=SPACE, key=claim.key, expected=held.version)
    mine = claim.hold.after(held.hold)
    return mine.write(claim.key, held.version, left=held.left)
