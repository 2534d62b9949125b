"""The applications of the examples, each in its framework, over real HTTP."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from tests.examples.conftest import Stage
from tests.examples.test_programs import fetch, is_open, wait_until
from tests.lab.beanstalkd import free_port

BOOKSHOP = "examples.bookshop.manage"


@contextlib.contextmanager
def serving(stage: Stage, *words: str) -> Iterator[str]:
    """Run a web server; `PORT` among the words is replaced by a free one."""
    port = free_port()
    with stage.running(*(word.replace("PORT", str(port)) for word in words)):
        wait_until(lambda: is_open(port), words[0])
        yield f"http://127.0.0.1:{port}"


def ask(url: str, data: bytes | None = None) -> tuple[int, Any]:
    status, _, body = fetch(url, data)
    return status, json.loads(body)


def form(**fields: object) -> bytes:
    return urlencode(fields).encode()


def test_a_newsletter_greets_whom_it_has_committed(stage: Stage) -> None:
    words = ("uvicorn", "examples.newsletter.app:app", "--port", "PORT", "--log-level", "warning")
    with serving(stage, *words) as url:
        ada = json.dumps({"email": "ada@example.org"}).encode()
        status, reader = ask_json(f"{url}/readers", ada)
        assert status == 201
        assert ask_json(f"{url}/readers", ada)[0] == 409
        place = f"{url}/readers/{reader['id']}"
        wait_until(lambda: ask(place)[1]["greeted"], "the mail")
        assert ask(place) == (200, {"email": "ada@example.org", "greeted": True})
        assert ask_json(f"{url}/readers/99", None)[0] == 404

    (mail,) = (stage.folder / "newsletter" / "outbox").glob("*.eml")
    assert b"To: ada@example.org" in mail.read_bytes()
    assert sum(stage.counts("newsletter").values()) == 0


def ask_json(url: str, data: bytes | None) -> tuple[int, Any]:
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_a_guestbook_keeps_its_jobs_in_an_outbox(stage: Stage) -> None:
    words = ("flask", "--app", "examples.guestbook.app", "run", "--port", "PORT")
    with serving(stage, *words) as url:
        entries = f"{url}/entries"
        assert ask(entries, form(name="Ada", text="A fine place to stay"))[0] == 202
        assert ask(entries, form(name="Eve", text="WATCHES WATCHES WATCHES"))[0] == 202
        assert ask(entries, form(name="Bob", text=" "))[0] == 422
        assert ask(entries) == (200, [])
        assert sum(stage.counts("guestbook").values()) == 0
        shown = json.loads(
            stage.python("pulpo", "outbox", "show", "examples.guestbook.app", "--json")
        )
        assert (shown["jobs"], shown["refused"]) == (2, 0)
        stage.burst("examples.guestbook.app")
        assert ask(entries) == (200, [{"name": "Ada", "text": "A fine place to stay"}])


def test_a_bookshop_runs_tasks_of_django_and_jobs_of_its_outbox(stage: Stage) -> None:
    stage.python(BOOKSHOP, "migrate", "--verbosity", "0")
    with serving(stage, BOOKSHOP, "runserver", "--noreload", "PORT") as url:
        status, made = ask(f"{url}/orders", form(book="SICP", copies=3))
        assert status == 202
        assert ask(f"{url}/orders", form(book="SICP", copies=99))[0] == 409
        result, order = f"{url}/results/{made['invoice']}", f"{url}/orders/{made['order']}"
        assert ask(result) == (200, {"status": "READY", "invoice": None})
        assert ask(order)[1]["packed"] is False
        assert stage.counts("bookshop")["ready"] == 1
        stage.python(BOOKSHOP, "pulpo_worker", "--burst", "--processes", "1", "--no-color")
        invoice = {"order": "3 x SICP", "total": "135.00"}
        assert ask(result) == (200, {"status": "SUCCESSFUL", "invoice": invoice})
        assert ask(order)[1]["packed"] is True

    assert sum(stage.counts("bookshop").values()) == 0


def test_a_project_is_worked_for_by_either_command(stage: Stage) -> None:
    stage.python(BOOKSHOP, "migrate", "-v", "0")
    with serving(stage, BOOKSHOP, "runserver", "--noreload", "PORT") as url:
        _, made = ask(f"{url}/orders", form(book="TAOCP", copies=1))
        _, other = ask(f"{url}/orders", form(book="TAOCP", copies=2))
    assert "2" in stage.python(BOOKSHOP, "pulpo_outbox", "show").splitlines()[1]
    assert stage.python(BOOKSHOP, "pulpo_outbox", "relay") == "relayed 2 jobs\n"
    stage.environment["DJANGO_SETTINGS_MODULE"] = "examples.bookshop.settings"
    with stage.running("pulpo", "worker", "pulpo.contrib.django.worker", "--processes", "1"):
        stage.wait_for("bookshop")

    packed = stage.rows("bookshop/shop.db", "SELECT id, is_packed FROM bookshop_order")
    assert sorted(packed) == [(made["order"], 1), (other["order"], 1)]
    assert os.environ.get("DJANGO_SETTINGS_MODULE") is None
