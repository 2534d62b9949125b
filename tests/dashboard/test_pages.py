"""What the pages show, of every state a queue and a job may be in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from pulpo.adapters import open_engine
from pulpo.codec import Codec
from pulpo.job import NewJob
from pulpo.redaction import Redaction
from tests.dashboard.caller import Caller
from tests.dashboard.conftest import Site

# An id of the year 2024.
OLD = "018cc251-f400-7b0b-8123-6c6f73746a6f"
TRACE = 'Traceback (most recent call last):\n  File "mail.py", line 3\nValueError: no such user'


def test_the_start_page_counts_the_jobs_of_each_queue(site: Site, visitor: Caller) -> None:
    site.queue.put(queue="mail")
    site.queue.put(queue="mail", delay=600)
    site.queue.bury(queue="images")

    page = visitor.get("/").text

    assert "0 ready, 0 delayed, 0 reserved, 1 buried" in page
    assert "1 ready, 1 delayed, 0 reserved, 0 buried" in page
    assert "1 job buried" in page


def test_an_empty_queue_says_what_to_do(visitor: Caller) -> None:
    assert "pulpo publish" in visitor.get("/").text
    assert "pulpo publish" in visitor.get("/jobs").text
    assert "pulpo worker MODULE" in visitor.get("/workers").text
    assert "pulpo dashboard MODULE" in visitor.get("/types").text
    assert "pulpo publish TYPE --queue mail" in visitor.get("/queues/mail").text


def test_a_paused_queue_with_jobs_needs_attention(site: Site, visitor: Caller) -> None:
    site.queue.put()
    site.admin.pause("mail", 600)

    assert "with 1 job waiting" in visitor.get("/").text
    assert "workers take no jobs from it" in visitor.get("/queues/mail").text


def test_a_queue_shows_its_first_jobs_of_each_state(site: Site, visitor: Caller) -> None:
    ready, delayed = site.queue.put(), site.queue.put(delay=600)
    buried = site.queue.bury()
    other = site.queue.put(queue="other")

    page = visitor.get("/queues/mail").text

    assert all(job in page for job in (ready, delayed, buried))
    assert other not in page


def test_a_queue_name_with_a_slash_has_its_page(site: Site, visitor: Caller) -> None:
    job = site.queue.put(queue="shop/mail+a;b")

    page = visitor.get("/queues/shop%2Fmail%2Ba%3Bb").text

    assert job in page
    assert "/queues/shop%2Fmail%2Ba%3Bb/pause" in page


def test_a_name_that_no_queue_has_is_refused(visitor: Caller) -> None:
    answer = visitor.get("/queues/-%20-")

    assert answer.status == 400
    assert "queue must be" in answer.text


def test_jobs_are_listed_by_the_filter_in_the_address(site: Site, visitor: Caller) -> None:
    ready = site.queue.put(type="mail.welcome")
    other = site.queue.put(type="report.weekly", queue="reports")
    broken = site.queue.bury(errors=[TRACE], failures=1)

    def shown(query: str) -> list[str]:
        page = visitor.get(f"/jobs?{query}").text
        return [name for name, job in jobs.items() if f"/jobs/{job}" in page]

    jobs = {"ready": ready, "other": other, "broken": broken}
    assert shown("") == ["ready", "other", "broken"]
    assert shown("queue=reports") == ["other"]
    assert shown("state=buried") == ["broken"]
    assert shown("type=mail.welcome") == ["ready", "broken"]
    assert shown("type=mail.*") == ["ready", "broken"]
    assert shown("type=*") == ["ready", "other", "broken"]
    assert shown("type=mail") == []
    assert shown("error=no+such") == ["broken"]
    assert shown("type=*welcome&state=ready&queue=mail") == ["ready"]
    assert shown("error=nothing+like+it") == []


def test_jobs_are_listed_by_their_age_and_by_what_is_in_them(site: Site, visitor: Caller) -> None:
    new = site.queue.put(lang="de")
    data = Codec().encode({"type": "mail.welcome", "id": OLD}, {"to": "a"})
    adapter = open_engine(site.url).adapter()
    adapter.put([NewJob(id=OLD, type="mail.welcome", queue="mail", body=data)])
    adapter.close()

    def shown(query: str) -> list[str]:
        page = visitor.get(f"/jobs?{query}").text
        return [name for name, job in {"new": new, "old": OLD}.items() if f"/jobs/{job}" in page]

    assert shown("older=1h") == ["old"]
    assert shown("newer=1h") == ["new"]
    assert shown("older=1h&newer=30000d") == ["old"]
    assert shown("where=body.to%3Da") == ["new", "old"]
    assert shown("where=body.to%3Da&where=body.to%3Db") == []
    assert shown("where=body.to%3Da%0Abody.to%3Db") == []


def test_the_filter_stands_in_the_form_again(site: Site, visitor: Caller) -> None:
    site.queue.put()
    query = "type=mail.*&error=a+%3C&older=1s&newer=2h&where=body.a%3D1&where=body.b%3D%22x+y%22"

    page = visitor.get(f"/jobs?{query}")

    values = [field.partition('"')[0] for field in page.text.split(' value="')]
    for written in ("mail.*", "a &lt;", "1s", "2h", "body.a=1", "body.b=&#34;x y&#34;"):
        assert written in values


@pytest.mark.parametrize(
    "query",
    [
        "state=burried",
        "queue=-",
        "page=0",
        "page=x",
        "page=9999",
        "type=" + "x" * 201,
        "type=two+words",
        "error=" + "x" * 201,
        "older=soon",
        "newer=-1",
        "where=user_id%3D7",
        "where=body.user_id",
        "&".join(f"where=body.a%3D{n}" for n in range(11)),
    ],
)
def test_a_filter_that_means_nothing_is_refused(visitor: Caller, query: str) -> None:
    assert visitor.get(f"/jobs?{query}").status == 400


def test_the_search_leads_to_the_job_at_once(site: Site, visitor: Caller) -> None:
    job = site.queue.put()

    answer = visitor.get(f"/jobs?q=+{job}+")

    assert (answer.status, answer.header("location")) == (303, f"/jobs/{job}")


def test_a_long_list_has_pages(site: Site, visitor: Caller) -> None:
    jobs = [site.queue.put() for _ in range(60)]

    first, second = visitor.get("/jobs").text, visitor.get("/jobs?page=2").text

    assert sum(f"/jobs/{job}" in first for job in jobs) == 50
    assert sum(f"/jobs/{job}" in second for job in jobs) == 10
    assert "page=2" in first
    assert "60 match" in first


def test_a_job_shows_its_story(site: Site, visitor: Caller) -> None:
    job = site.queue.bury(
        errors=["TimeoutError: slow", TRACE], failures=2, tenant="acme", priority=7
    )

    page = visitor.get(f"/jobs/{job}").text

    assert "It is put aside after 2 failures: ValueError: no such user" in page
    assert "TimeoutError: slow" in page
    assert "File &#34;mail.py&#34;, line 3" in page
    assert "&#34;tenant&#34;: &#34;acme&#34;" in page
    assert "&#34;failures&#34;" not in page


@pytest.mark.parametrize(
    ("headers", "delay", "text"),
    [
        ({}, 0.0, "serves queue &#39;mail&#39;"),
        ({}, 600.0, "It is not to run before its time: in"),
        ({"failures": 1, "errors": [TRACE]}, 600.0, "attempt 2 comes in"),
        ({"bounces": 2}, 600.0, "bounced 2 times"),
    ],
)
def test_a_job_says_why_it_waits(
    site: Site, visitor: Caller, headers: dict[str, object], delay: float, text: str
) -> None:
    job = site.queue.put(delay=delay, **headers)

    assert text in visitor.get(f"/jobs/{job}").text


def test_a_job_in_a_paused_queue_says_so(site: Site, visitor: Caller) -> None:
    job = site.queue.put()
    site.admin.pause("mail")

    assert (
        "Queue &#39;mail&#39; is paused until somebody resumes it"
        in visitor.get(f"/jobs/{job}").text
    )


def test_a_job_shows_the_keys_that_it_holds(site: Site, visitor: Caller) -> None:
    guards = [["id:order-17", 86_400.0], ["unique:mail.welcome:0a1b", "done"]]
    job = site.queue.put(guards=guards)

    page = " ".join(visitor.get(f"/jobs/{job}").text.split())

    assert '<code>id:order-17</code> <span class="muted">held for 1d</span>' in page
    assert (
        '<code>unique:mail.welcome:0a1b</code> <span class="muted">held until done</span>' in page
    )


def test_a_job_that_is_run_offers_nothing(site: Site, visitor: Caller) -> None:
    job = site.queue.put()
    adapter = make_adapter(site)
    try:
        adapter.exchange([], ["mail"], limit=1, timeout=5)

        answer = visitor.get(f"/jobs/{job}")

        assert "A worker has it" in answer.text
        assert [form for form in answer.forms if form.method == "post"] == []
    finally:
        adapter.close()


def make_adapter(site: Site):  # type: ignore[no-untyped-def]
    from pulpo.adapters import open_engine

    return open_engine(site.url).adapter()


def test_an_id_that_nobody_has_is_not_found(visitor: Caller) -> None:
    answer = visitor.get("/jobs/0198c0de-7a11-7b0b-8123-6c6f73746a6f")

    assert answer.status == 404
    assert "Nobody has it" in answer.text


def test_bytes_that_are_no_job_are_shown(site: Site, visitor: Caller) -> None:
    site.queue.put(body=b"\xff<b>not a job</b>")

    page = visitor.get("/jobs").text
    (job,) = site.admin.list("mail")
    answer = visitor.get(f"/jobs/{job.id}")

    assert "not a job" in page
    assert "&lt;b&gt;not a job&lt;/b&gt;" in answer.text
    assert "It can't be edited" in answer.text


def test_types_are_counted_by_their_states(site: Site, visitor: Caller) -> None:
    site.queue.put(type="mail.welcome")
    site.queue.bury(type="report.weekly")

    page = visitor.get("/types").text

    assert "mail.welcome" in page
    assert "report.weekly" in page


EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "</script><script>alert(1)</script>",
    "{{ 7*7 }}{% raw %}",
    "a\u202eb\x1b[31m\x00\r\nc",
    "</textarea></pre><h1>",
]


@pytest.mark.parametrize("text", EVIL)
def test_nothing_of_a_payload_is_markup(make_site: Callable[..., Site], text: str) -> None:
    site = make_site()
    visitor = site.visitor()
    from pulpo.codec import Codec
    from pulpo.identity import new_id

    job = new_id()
    kind = "".join(char for char in text if char.isprintable() and char != " ")
    headers = {"type": kind, "id": job, "errors": [text, text], text or "x": text}
    body = Codec().encode(headers, {text: [text]})
    adapter = make_adapter(site)
    adapter.put([NewJob(id=job, type=kind, queue="mail", body=body)])
    adapter.close()
    quiet = ("<script>alert", "<img src=x", 'href="javascript', "</textarea></pre>", "<h1></h1>")
    odd = ("\u202e", "\x1b", "\x00")

    for path in (
        "/",
        "/jobs",
        "/queues/mail",
        f"/jobs/{job}",
        "/types",
        "/jobs?type=<script>alert",
    ):
        page = visitor.get(path).text
        assert [mark for mark in (*quiet, *odd) if mark in page] == []
    page = visitor.get(f"/jobs/{job}").text
    assert (">49<" in page) is False
    assert "alert" in page or "7*7" in page or "202e" in page or "textarea" in page


def test_what_is_said_after_an_act_is_no_text_of_strangers(visitor: Caller) -> None:
    assert "Kicked 3 jobs" in visitor.get("/jobs?said=kicked&n=3").text
    assert "pwned" not in visitor.get("/jobs?said=pwned&n=3").text
    assert "Kicked 1 job" in visitor.get("/jobs?said=kicked&n=<b>").text


def test_a_mounted_dashboard_stays_below_its_path(site: Site) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    outer = Starlette(routes=[Mount("/ops/pulpo", site.app)])
    visitor = Caller(outer)
    job = site.queue.bury()
    from tests.dashboard.conftest import TOKEN

    answer = visitor.get(f"/ops/pulpo/?token={TOKEN}")
    assert answer.header("location") == "/ops/pulpo/"
    page = visitor.get("/ops/pulpo/jobs")
    assert f'href="/ops/pulpo/jobs/{job}"' in page.text
    assert 'hx-get="/ops/pulpo/jobs"' in page.text
    assert visitor.get("/ops/pulpo/static/style.css").status == 200
    done = visitor.send(page.form("/kick"))
    assert done.header("location").startswith("/ops/pulpo/jobs")
    assert site.state(job) == "ready"


def test_a_queue_out_of_reach_is_said(tmp_path: object) -> None:
    from pulpo import Pulpo
    from pulpo.dashboard.app import build
    from tests.dashboard.conftest import TOKEN

    app = build(Pulpo("beanstalkd://127.0.0.1:1"), token=TOKEN)
    visitor = Caller(app)
    visitor.get(f"/?token={TOKEN}")

    for path in ("/", "/jobs", "/queues/mail", "/types"):
        answer = visitor.get(path)
        assert answer.status == 503
        assert "cannot reach" in answer.text
    app.state.close()


def test_times_are_said_in_utc(site: Site, visitor: Caller) -> None:
    job = site.queue.put()

    assert datetime.now(UTC).strftime("%Y-%m-%d %H:") in visitor.get(f"/jobs/{job}").text


SECRET = "hunter2-of-the-test"


def bury_a_secret(site: Site) -> str:
    """Bury a job with a secret in its body, its headers and its error."""
    job = site.queue.bury(errors=[f"LoginError: {SECRET}"], failures=1, authorization=SECRET)
    body = {"user": "ada", "password": SECRET}
    headers = {
        "type": "mail.welcome",
        "id": job,
        "queue": "mail",
        "errors": [f"LoginError: {SECRET}"],
        "failures": 1,
        "authorization": SECRET,
    }
    data = Codec().encode(headers, body)
    site.admin.edit(job, NewJob(id=job, type="mail.welcome", queue="mail", body=data))
    return job


def test_no_page_shows_a_secret(site: Site, visitor: Caller) -> None:
    job = bury_a_secret(site)

    for path in ("/", "/queues/mail", "/jobs", "/jobs?state=buried", f"/jobs/{job}"):
        page = visitor.get(path).text
        assert job in page
        assert SECRET not in page
    assert "LoginError: [hidden]" in page
    assert "&#34;password&#34;: &#34;[hidden]&#34;" in page


def test_a_dashboard_hides_what_it_is_told_to(make_site: Callable[..., Site]) -> None:
    site = make_site(hidden=Redaction(("us*",)))
    job = bury_a_secret(site)

    page = site.visitor().get(f"/jobs/{job}").text

    assert "ada" not in page
    assert SECRET in page
