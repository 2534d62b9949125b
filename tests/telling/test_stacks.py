"""The stacks of a process: how they are asked for, answered and read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pulpo.clock import ManualClock
from pulpo.side import SideStore, Write
from pulpo.telling import (
    AskedStacks,
    RunningJob,
    SlotStack,
    Stacks,
    ask_stacks,
    read_stacks,
    stacks_question,
    tell_stacks,
)
from pulpo.telling.stacks import ANSWER_LASTS, MOST_OF_ONE, MOST_TOLD, QUESTION_LASTS

JOB = RunningJob(
    slot="thread-1", id="id-1", type="t", queue="q", attempt=2, seconds=3.0, timeout=5.0
)
SLOT = SlotStack(job=JOB, stack='  File "mail.py", line 3, in send\n    connect()')


def asked(store: SideStore, id: str = "one") -> AskedStacks:
    return read_stacks(store, id)[id]


def answer(store: SideStore, *slots: SlotStack, id: str = "one") -> None:
    question = stacks_question(store, id)
    assert question is not None
    tell_stacks(store, id, slots, question=question, busy=len(slots))


def test_nobody_has_asked(store: SideStore) -> None:
    assert stacks_question(store, "one") is None
    assert asked(store) == AskedStacks()


def test_a_question_waits_until_it_ends_by_itself(store: SideStore, clock: ManualClock) -> None:
    ask_stacks(store, "one", "two")
    clock.advance(2.0)

    assert read_stacks(store, "one", "two", "three") == {
        "one": AskedStacks(waits=2.0),
        "two": AskedStacks(waits=2.0),
        "three": AskedStacks(),
    }
    clock.advance(QUESTION_LASTS)
    assert stacks_question(store, "one") is None
    assert asked(store) == AskedStacks()


def test_an_answer_is_read_as_it_was_told_and_for_a_minute(
    store: SideStore, clock: ManualClock
) -> None:
    ask_stacks(store, "one", "two")
    answer(store, SLOT)
    clock.advance(1.0)

    # What it ran for is what it was at that moment: the stack does not go on either.
    assert asked(store) == AskedStacks(answer=Stacks(slots=(SLOT,), left_out=0, age=1.0))
    assert asked(store, "two") == AskedStacks(waits=1.0)
    clock.advance(ANSWER_LASTS)
    assert asked(store) == AskedStacks()


def test_an_idle_process_answers_too(store: SideStore) -> None:
    ask_stacks(store, "one")
    answer(store)

    assert asked(store) == AskedStacks(answer=Stacks(slots=(), left_out=0, age=0.0))


def test_who_asks_again_waits_for_another_answer(store: SideStore) -> None:
    ask_stacks(store, "one")
    answer(store, SLOT)
    first = stacks_question(store, "one")
    ask_stacks(store, "one")

    assert stacks_question(store, "one") != first
    assert asked(store).waits == 0.0
    assert asked(store).answer is not None
    answer(store, replace(SLOT, stack="elsewhere"))
    found = asked(store)
    assert found.waits is None
    assert found.answer is not None
    assert found.answer.slots[0].stack == "elsewhere"


def test_of_a_long_stack_the_inner_end_is_told(store: SideStore) -> None:
    ask_stacks(store, "one")
    answer(store, replace(SLOT, stack="\n".join(f"call {n}" for n in range(5_000))))
    found = asked(store).answer

    assert found is not None
    first, *lines = found.slots[0].stack.splitlines()
    assert first == "..."
    assert lines[-1] == "call 4999"
    assert lines[0].startswith("call ")
    assert len(found.slots[0].stack) <= MOST_OF_ONE + len("...\n")


@pytest.mark.parametrize("character", ["x", "\x00", "\U0001f419", "\udc80"])
def test_it_fits_into_a_fact_whatever_is_in_it(store: SideStore, character: str) -> None:
    def slots() -> Iterator[SlotStack]:
        for _ in range(1_000):
            yield replace(SLOT, stack=f"{character * 99}\n" * 70)
        raise AssertionError("looked at more slots than there is room for")

    ask_stacks(store, "one")
    question = stacks_question(store, "one")
    assert question is not None
    tell_stacks(store, "one", slots(), question=question, busy=1_000)
    found = asked(store).answer

    assert found is not None
    assert len(found.slots) == MOST_TOLD // 7_000
    assert found.left_out == 1_000 - len(found.slots)
    assert found.slots[0].stack == f"{character * 99}\n" * 70


def test_slots_without_a_stack_take_room_too(store: SideStore) -> None:
    ask_stacks(store, "one")
    answer(store, *[replace(SLOT, stack="")] * 300)
    found = asked(store).answer

    assert found is not None
    assert (len(found.slots), found.left_out) == (200, 100)


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"\xff",
        b"[]",
        b'"text"',
        json.dumps({"question": 1, "left_out": 0, "slots": [{"stack": "x"}]}).encode(),
        json.dumps({"question": None, "left_out": 0, "slots": []}).encode(),
    ],
)
def test_an_answer_of_no_known_shape_is_none(store: SideStore, odd: bytes) -> None:
    ask_stacks(store, "one")
    store.write([Write(space="stacks", key="one", value=odd, lasts=60.0)])

    assert asked(store) == AskedStacks(waits=0.0)
