"""The ledger finds what it is there to find: each seeded fault, and nothing in a clean run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.ledger import Ledger, audit, main


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path)
    yield ledger
    ledger.close()


def live(ledger: Ledger, job_id: str, *kinds: str) -> None:
    for kind in kinds or ("attempted", "accepted", "begun", "done"):
        ledger.note(kind, job_id)


def test_jobs_that_were_published_and_done_once_are_no_complaint(ledger: Ledger) -> None:
    live(ledger, "a")
    live(ledger, "b")

    assert audit(ledger).complaints() == []
    assert main([str(ledger.folder)]) == 0


def test_a_reader_sees_nothing_of_a_note_that_is_half_written(ledger: Ledger) -> None:
    live(ledger, "a")
    with (ledger.folder / "done").open("a") as file:
        file.write('{"id": "b", "at')

    assert [entry.id for entry in ledger.read("done")] == ["a"]
    assert ledger.count("done") == 1


def test_half_a_note_of_a_killed_process_does_not_hide_the_one_behind_it(ledger: Ledger) -> None:
    live(ledger, "a")
    with (ledger.folder / "done").open("a") as file:
        file.write('{"id": "b", "at": 12.5, "pi')
    ledger.note("done", "c", attempt=1)

    assert [entry.id for entry in ledger.read("done")] == ["a", "c"]


def test_an_accepted_job_that_nobody_did_is_lost(ledger: Ledger) -> None:
    live(ledger, "a")
    live(ledger, "b", "attempted", "accepted", "begun")

    assert audit(ledger).complaints() == ["1 accepted and lost: b"]
    assert main([str(ledger.folder)]) == 1


def test_an_accepted_job_that_still_waits_is_not_lost(ledger: Ledger) -> None:
    live(ledger, "b", "attempted", "accepted")

    assert audit(ledger, kept=["b"]).complaints() == []


def test_a_job_whose_producer_died_may_be_there_or_not(ledger: Ledger) -> None:
    live(ledger, "a", "attempted")
    live(ledger, "b", "attempted", "begun", "done")

    assert audit(ledger).complaints() == []


def test_a_job_that_nobody_published_is_invented(ledger: Ledger) -> None:
    live(ledger, "a", "begun", "done")

    assert audit(ledger).complaints() == ["1 done and never published: a"]


def test_a_job_that_is_done_and_still_waits_was_not_settled(ledger: Ledger) -> None:
    live(ledger, "a")

    assert audit(ledger, kept=["a"]).complaints() == ["1 done and still in the queue: a"]


def test_runs_too_many_are_counted_against_what_had_to_be_expected(ledger: Ledger) -> None:
    live(ledger, "a")
    live(ledger, "a", "begun", "done")
    live(ledger, "a", "begun", "done")

    account = audit(ledger)
    assert account.doubled == {"a": 2}
    assert account.complaints(doubled=2) == []
    assert account.complaints(doubled=1) == [
        "done again 2 times, 1 may be: a",
        "begun again 2 times, 1 may be: a",
    ]


def test_a_run_that_was_only_begun_again_counts_too(ledger: Ledger) -> None:
    live(ledger, "a")
    live(ledger, "a", "begun")

    assert audit(ledger).complaints() == ["begun again 1 times, 0 may be: a"]


def test_notes_of_many_processes_at_once_stay_whole_lines(ledger: Ledger) -> None:
    code = (
        "import sys, pathlib; from tests.lab.ledger import Ledger\n"
        "ledger = Ledger(pathlib.Path(sys.argv[1]))\n"
        "for n in range(500): ledger.note('begun', f'{sys.argv[2]}-{n}', pad='x' * 200)"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(ledger.folder), name]) for name in "abc"
    ]
    for writer in writers:
        assert writer.wait(30) == 0

    entries = ledger.read("begun")
    assert len({entry.id for entry in entries}) == ledger.count("begun") == 1500
    assert {entry.pid for entry in entries} == {writer.pid for writer in writers}


def test_a_note_keeps_its_facts(ledger: Ledger) -> None:
    ledger.note("begun", "a", attempt=2)

    (entry,) = ledger.read("begun")
    assert (entry.id, entry.pid, entry.facts) == ("a", os.getpid(), {"attempt": 2})
    assert json.loads((ledger.folder / "begun").read_text())["at"] == entry.at


def test_a_note_of_an_unknown_kind_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="'finished'"):
        ledger.note("finished", "a")
