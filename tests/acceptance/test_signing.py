"""Signing keys from the outside: whom a worker trusts, and what becomes of all other jobs."""

from __future__ import annotations

import pytest

from tests.lab.place import Place

TASKS = """
import pulpo
from tests.lab.tasks import LEDGER

@pulpo.job(type="note", queue="mail")
def note(n):
    LEDGER.note("done", pulpo.current_job().id, n=n)
"""


@pytest.fixture(autouse=True)
def code(place: Place) -> None:
    (place.folder / "shop.py").write_text(TASKS)


def published(place: Place, keys: str = "") -> str:
    said = place.pulpo(
        "publish", "note", '{"n": 1}', "-q", "mail", "--priority", "7", PULPO_SIGNING_KEYS=keys
    )
    assert said.code == 0, said.err
    return said.out.strip()


def work(place: Place, keys: str) -> None:
    with place.worker(
        "--burst", "--processes", "1", module="shop", PULPO_SIGNING_KEYS=keys
    ) as worker:
        assert worker.wait() == 0


@pytest.mark.parametrize(
    ("signs", "trusts"), [("old", "new,old"), ("new,old", "old,new"), ("old", "")]
)
def test_a_job_is_run_where_one_of_the_keys_fits_or_none_is_asked_for(
    place: Place, signs: str, trusts: str
) -> None:
    job = published(place, signs)

    work(place, trusts)

    assert [entry.id for entry in place.ledger.read("done")] == [job]
    assert place.waiting() == []


@pytest.mark.parametrize("signs", ["", "theirs"])
def test_a_job_that_is_not_trusted_is_found_by_its_id_and_runs_once_the_key_is_there(
    place: Place, signs: str
) -> None:
    job = published(place, signs)

    work(place, "ours")

    found = place.show(job)
    assert (found["state"], found["type"], found["body"]) == ("buried", "note", {"n": 1})
    assert (found["queue"], found["priority"]) == ("mail", 7)
    assert "sign" in found["error"]
    assert place.ledger.count("done") == 0
    assert place.pulpo("jobs", "kick", job).code == 0
    work(place, "theirs" if signs else "")
    assert [entry.id for entry in place.ledger.read("done")] == [job]
