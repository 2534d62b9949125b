"""The stacks of a worker process, on demand: a question that somebody leaves, and its answer.

    ask_stacks(store, worker.id)
    ...                                # a second or three later
    asked = read_stacks(store, worker.id)[worker.id]

Both are facts that end by themselves. A stack names files, functions and lines of source, and no
value. Knows how a question and an answer are written and read, not how a stack is found out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pulpo.side import Fact, SideStore, Write
from pulpo.telling.workers import RunningJob, running_job

__all__ = [
    "ANSWER_LASTS",
    "MOST_OF_ONE",
    "MOST_TOLD",
    "QUESTION_LASTS",
    "AskedStacks",
    "SlotStack",
    "Stacks",
    "ask_stacks",
    "read_stacks",
    "stacks_question",
    "tell_stacks",
]

_QUESTIONS, _ANSWERS = "stacks-asked", "stacks"
#: In seconds: for how long a process may find the question, and its answer can be read.
QUESTION_LASTS, ANSWER_LASTS = 30.0, 60.0
# In characters: the inner end of one stack, and all stacks of an answer together. In the worst
# encoding that is 6 bytes each, and a fact has room for 1 MB.
MOST_OF_ONE, MOST_TOLD = 8_000, 100_000
# A slot without a stack takes room, too: so many slots at most.
_MOST_SLOTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStack:
    """What a slot ran at that moment, and where it was in it: the innermost call last.

    `stack` is empty for a run that ended in that moment.
    """

    job: RunningJob
    stack: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """What a process has answered `age` seconds ago.

    `left_out` is how many busy slots found no room in it.
    """

    slots: tuple[SlotStack, ...]
    left_out: int
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedStacks:
    """How it stands between somebody who asks and a process.

    `waits` is for how many seconds a question has been open, None where none is. `answer` is the
    last one, also while another one is waited for.
    """

    waits: float | None = None
    answer: Stacks | None = None


def ask_stacks(store: SideStore, *ids: str) -> None:
    """Ask worker processes for their stacks, by the ids of `SeenWorker`; raises `QueueError`.

    They look when they come by: a busy one each second, an idle one every 2.5 s.
    """
    store.write([Write(space=_QUESTIONS, key=key, value=b"", lasts=QUESTION_LASTS) for key in ids])


def stacks_question(store: SideStore, id: str) -> int | None:
    """Return the number of the question that a process was asked last; raises `QueueError`."""
    (question,) = store.read(_QUESTIONS, [id])
    return None if question is None else question.version


def tell_stacks(
    store: SideStore, id: str, slots: Iterable[SlotStack], *, question: int, busy: int
) -> None:
    """Answer a question by its number; `busy` is how many slots there are. Raises `QueueError`.

    Takes no more of `slots` than there is room for.
    """
    told: list[dict[str, object]] = []
    room = MOST_TOLD
    for slot in slots:
        stack = _inner_end(slot.stack)
        room -= len(stack)
        if room < 0 or len(told) == _MOST_SLOTS:
            break
        told.append({**asdict(slot.job), "stack": stack})
    answer = {"question": question, "slots": told, "left_out": max(busy - len(told), 0)}
    # A file may have a name that is no text: its odd bytes stay what JSON can say of them.
    value = json.dumps(answer, separators=(",", ":"), ensure_ascii=False)
    encoded = value.encode("utf-8", "backslashreplace")
    store.write([Write(space=_ANSWERS, key=id, value=encoded, lasts=ANSWER_LASTS)])


def read_stacks(store: SideStore, *ids: str) -> Mapping[str, AskedStacks]:
    """Return for each of these processes what was asked and answered; raises `QueueError`."""
    questions, answers = store.read(_QUESTIONS, ids), store.read(_ANSWERS, ids)
    found = {}
    for key, question, fact in zip(ids, questions, answers, strict=True):
        number, answer = (None, None) if fact is None else _answer(fact)
        is_open = question is not None and question.version != number
        waits = QUESTION_LASTS - (question.left or 0.0) if question and is_open else None
        found[key] = AskedStacks(waits=None if waits is None else max(waits, 0.0), answer=answer)
    return found


def _inner_end(stack: str) -> str:
    if len(stack) <= MOST_OF_ONE:
        return stack
    return "...\n" + stack[-MOST_OF_ONE:].partition("\n")[2]


def _answer(fact: Fact) -> tuple[int | None, Stacks | None]:
    """Return which question was answered, and the answer; nothing of no known shape."""
    age = max(ANSWER_LASTS - (fact.left or 0.0), 0.0)
    try:
        told = json.loads(fact.value)
        slots = tuple(_slot(slot) for slot in told["slots"])
        stacks = Stacks(slots=slots, left_out=int(told["left_out"]), age=age)
        return int(told["question"]), stacks
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None, None


def _slot(told: Mapping[str, Any]) -> SlotStack:
    return SlotStack(job=running_job(told), stack=str(told["stack"]))
