"""Every act, by the form that a page shows for it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pulpo.codec import Codec
from tests.dashboard.caller import Answer, Caller
from tests.dashboard.conftest import Site
from tests.dashboard.test_pages import SECRET, bury_a_secret


def body(site: Site, job: str) -> object:
    found = site.seen(job)
    assert found is not None
    return Codec().decode(found.body).body


def follow(visitor: Caller, answer: Answer) -> str:
    assert answer.status == 303
    page = visitor.get(answer.header("location"))
    assert page.status == 200
    return page.text


def test_a_buried_job_is_kicked(site: Site, visitor: Caller) -> None:
    job = site.queue.bury()

    answer = visitor.send(visitor.get(f"/jobs/{job}").form(f"/jobs/{job}/kick"))

    assert "Kicked 1 job" in follow(visitor, answer)
    assert site.state(job) == "ready"


def test_a_job_is_deleted(site: Site, visitor: Caller) -> None:
    job = site.queue.put()

    answer = visitor.send(visitor.get(f"/jobs/{job}").form(f"/jobs/{job}/delete"))

    assert "Deleted 1 job" in follow(visitor, answer)
    assert site.state(job) == "gone"


@pytest.mark.parametrize("delay", [0.0, 600.0])
def test_a_waiting_job_is_buried(site: Site, visitor: Caller, delay: float) -> None:
    job = site.queue.put(delay=delay)

    answer = visitor.send(visitor.get(f"/jobs/{job}").form(f"/jobs/{job}/bury"))

    assert "Buried 1 job" in follow(visitor, answer)
    assert site.state(job) == "buried"


def test_a_buried_job_is_edited_and_run_again(site: Site, visitor: Caller) -> None:
    job = site.queue.bury(failures=1, errors=["ValueError: no such user"])
    form = visitor.get(f"/jobs/{job}").form("/edit")
    assert json.loads(form.fields["body"]) is None

    answer = visitor.send(form, body='{"to": "b\\u202e"}', priority="9")

    assert "ready to run with its new contents" in follow(visitor, answer)
    assert site.state(job) == "ready"
    assert body(site, job) == {"to": "b\u202e"}
    found = site.seen(job)
    assert found is not None
    assert found.priority == 9
    assert Codec().decode(found.body).failures == 1


def test_an_edit_keeps_what_is_not_shown(site: Site, visitor: Caller) -> None:
    job = bury_a_secret(site)
    form = visitor.get(f"/jobs/{job}").form("/edit")
    assert json.loads(form.fields["body"]) == {"user": "ada", "password": "[hidden]"}

    visitor.send(form, body='{"user": "eve", "password": "[hidden]"}')
    assert body(site, job) == {"user": "eve", "password": SECRET}

    visitor.send(form, body='{"user": "eve", "password": "new"}')
    assert body(site, job) == {"user": "eve", "password": "new"}
    answer = visitor.send(form, body='{"token": "[hidden]"}')
    assert answer.status == 400
    assert "there is none under" in answer.text


def test_a_waiting_job_is_edited_and_delayed(site: Site, visitor: Caller) -> None:
    job = site.queue.put()

    visitor.send(visitor.get(f"/jobs/{job}").form("/edit"), delay="10m", queue="other")

    found = site.seen(job)
    assert found is not None
    assert (found.state.value, found.queue) == ("delayed", "other")
    assert 500 < found.due <= 600
    assert body(site, job) == {"to": "a"}


def test_an_edit_of_a_delayed_job_keeps_its_delay(site: Site, visitor: Caller) -> None:
    job = site.queue.put(delay=600)

    visitor.send(visitor.get(f"/jobs/{job}").form("/edit"), body='{"to": "b"}')

    found = site.seen(job)
    assert found is not None
    assert 500 < found.due <= 601


@pytest.mark.parametrize(
    "fields",
    [
        {"body": "{"},
        {"body": "NaN"},
        {"body": "[" * 5_000 + "]" * 5_000},
        {"priority": "-1"},
        {"priority": "4294967296"},
        {"delay": "soon"},
        {"queue": "no queue"},
        {"body": '"' + "x" * 70_000 + '"'},
    ],
)
def test_an_edit_that_makes_no_sense_changes_nothing(
    site: Site, visitor: Caller, fields: dict[str, str]
) -> None:
    job = site.queue.put()
    before = site.seen(job)

    answer = visitor.send(visitor.get(f"/jobs/{job}").form("/edit"), **fields)

    assert answer.status in (400, 409)
    assert "Nothing was changed" in answer.text
    after = site.seen(job)
    assert before is not None
    assert after is not None
    assert (after.body, after.priority, after.queue) == (before.body, before.priority, "mail")


def test_a_payload_that_json_lacks_stays_as_it_is(site: Site, visitor: Caller) -> None:
    from datetime import date
    from uuid import uuid4

    value = {"day": date(2026, 1, 2), "ids": {uuid4()}}
    headers = {"type": "mail.welcome", "id": "dates"}
    from pulpo.adapters import open_engine
    from pulpo.job import NewJob

    adapter = open_engine(site.url).adapter()
    data = Codec().encode(headers, value)
    adapter.put([NewJob(id="dates", type="mail.welcome", queue="mail", body=data)])
    adapter.close()
    form = visitor.get("/jobs/dates").form("/edit")

    visitor.send(form, body="{}", priority="5")

    assert "body" not in form.fields
    assert body(site, "dates") == value


def test_a_queue_is_paused_and_resumed(site: Site, visitor: Caller) -> None:
    site.queue.put()

    page = follow(visitor, visitor.send(visitor.get("/queues/mail").form("/pause")))
    assert "Paused" in page
    assert site.admin.stats("mail").paused

    page = follow(visitor, visitor.send(visitor.get("/queues/mail").form("/resume")))
    assert "Resumed" in page
    assert not site.admin.stats("mail").paused


def test_a_pause_may_have_an_end(site: Site, visitor: Caller) -> None:
    site.queue.put()
    form = visitor.get("/queues/mail").form("/pause")

    visitor.send(form, **{"for": "10m"})

    left = site.admin.stats("mail").pause_left
    assert left is not None
    assert 500 < left <= 600
    assert visitor.send(form, **{"for": "0"}).status == 400


def test_the_start_page_acts_and_is_shown_again(site: Site, visitor: Caller) -> None:
    job = site.queue.bury()

    answer = visitor.send(visitor.get("/").form("/queues/mail/kick"))

    assert answer.header("location").startswith("/?")
    assert "Kicked 1 job" in follow(visitor, answer)
    assert site.state(job) == "ready"


def test_all_that_match_are_kicked_and_no_others(site: Site, visitor: Caller) -> None:
    meant = [site.queue.bury(errors=["ValueError: no such user"]) for _ in range(3)]
    other = site.queue.bury(errors=["OSError: disk full"])
    form = visitor.get("/jobs?error=such+user&state=buried").form("/jobs/kick")
    assert form.fields["count"] == "3"

    answer = visitor.send(form)

    assert "Kicked 3 jobs" in follow(visitor, answer)
    assert "error=such+user" in answer.header("location")
    assert [site.state(job) for job in meant] == ["ready"] * 3
    assert site.state(other) == "buried"


@pytest.mark.parametrize(("verb", "state"), [("delete", "gone"), ("bury", "buried")])
def test_all_that_match_are_acted_on(site: Site, visitor: Caller, verb: str, state: str) -> None:
    meant = [site.queue.put(), site.queue.put(delay=600)]
    other = site.queue.put(queue="other")

    visitor.send(visitor.get("/jobs?queue=mail").form(f"/jobs/{verb}"))

    assert [site.state(job) for job in meant] == [state, state]
    assert site.state(other) == "ready"


def test_more_than_was_confirmed_is_left_alone(site: Site, visitor: Caller) -> None:
    first = site.queue.put()
    form = visitor.get("/jobs?queue=mail").form("/jobs/delete")
    second = site.queue.put()

    answer = visitor.send(form)

    assert answer.status == 409
    assert "it would be 2 jobs now, not 1" in answer.text
    assert [site.state(first), site.state(second)] == ["ready", "ready"]


@pytest.mark.parametrize("count", ["", "0", "-1", "all", "99999999999"])
def test_without_a_count_nothing_is_done(site: Site, visitor: Caller, count: str) -> None:
    job = site.queue.put()
    form = visitor.get("/jobs").form("/jobs/delete")

    assert visitor.send(form, count=count).status == 400
    assert site.state(job) == "ready"


def test_a_filter_with_a_typo_acts_on_nothing(site: Site, visitor: Caller) -> None:
    job = site.queue.put()
    form = visitor.get("/jobs?state=ready").form("/jobs/delete")

    assert visitor.send(form, state="raedy").status == 400
    assert site.state(job) == "ready"


def test_an_act_from_a_list_leads_back_to_it(site: Site, visitor: Caller) -> None:
    job = site.queue.bury()
    form = visitor.get("/jobs?state=buried&queue=mail").form(f"/jobs/{job}/delete")

    location = visitor.send(form).header("location")

    assert location == "/jobs?queue=mail&state=buried&said=deleted&n=1"


@pytest.mark.parametrize("back", ["//evil.test/", "https://evil.test", "/\\evil.test", "x=//evil"])
def test_an_act_leads_nowhere_else(site: Site, visitor: Caller, back: str) -> None:
    job = site.queue.bury()

    location = visitor.send(visitor.get(f"/jobs/{job}").form("/kick"), back=back).header("location")

    assert location.startswith("/jobs?")
    assert "evil" not in location


def test_an_act_that_came_too_late_says_so(site: Site, visitor: Caller) -> None:
    job = site.queue.bury()
    form = visitor.get(f"/jobs/{job}").form("/kick")
    visitor.send(form)

    assert "Not kicked" in follow(visitor, visitor.send(form))


def test_an_act_on_a_job_that_is_gone_says_so(site: Site, visitor: Caller) -> None:
    job = site.queue.put()
    form = visitor.get(f"/jobs/{job}").form("/delete")
    site.admin.delete([job])

    answer = visitor.send(form)

    assert "said=not-deleted" in answer.header("location")


def test_every_act_is_logged(site: Site, visitor: Caller, caplog: pytest.LogCaptureFixture) -> None:
    job = site.queue.bury()

    with caplog.at_level("INFO", "pulpo.audit"):
        visitor.send(visitor.get(f"/jobs/{job}").form("/kick"))

    assert [(r.name, r.getMessage()) for r in caplog.records if r.name == "pulpo.audit"] == [
        ("pulpo.audit", f"kick job {job!r}: done")
    ]


def test_a_signed_job_is_signed_anew_and_a_strangers_is_not(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = make_site().queue.put()
    monkeypatch.setenv("PULPO_SIGNING_KEYS", "a-key-of-the-test-that-is-long-enough")
    site = make_site()
    visitor = site.visitor()
    from pulpo.adapters import open_engine
    from pulpo.configuration import signing_keys
    from pulpo.job import NewJob

    keys = Codec(signing_keys())
    data = keys.encode({"type": "mail.welcome", "id": "ours", "queue": "mail"}, {"to": "a"})
    adapter = open_engine(site.url).adapter()
    adapter.put([NewJob(id="ours", type="mail.welcome", queue="mail", body=data)])
    adapter.close()

    visitor.send(visitor.get("/jobs/ours").form("/edit"), body='{"to": "b"}')

    found = site.seen("ours")
    assert found is not None
    assert keys.decode(found.body).body == {"to": "b"}
    page = visitor.get(f"/jobs/{stranger}")
    assert "It can't be edited" in page.text
    mark = page.form("/kick" if "kick" in page.text else "/delete").fields["csrf"]
    assert visitor.post(f"/jobs/{stranger}/edit", {"csrf": mark, "body": "{}"}).status == 400
