"""Attacks on the dashboard from where a browser is: payloads, other sites, floods."""

from __future__ import annotations

import http.server
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pulpo.adapters import open_engine
from pulpo.codec import Codec
from pulpo.identity import new_id
from pulpo.job import NewJob
from tests.acceptance.command_line import CommandLine
from tests.dashboard.browser.served import Served

# What a browser is attacked with does not depend on the engine.
pytestmark = pytest.mark.parametrize("url", ["file"], indirect=True)

PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img/src=x/onerror=alert(1)>',
    "javascript:alert(1)",
    "</script><script>alert(1)</script>",
    "'-alert(1)-'",
    "\u202egnp.exe",
    "<svg/onload=alert(1)>",
    "</pre></textarea><iframe/src=javascript:alert(1)>",
    "' hx-get=/ hx-trigger=load '",
]


class Evil(http.server.BaseHTTPRequestHandler):
    """A stranger's site: each of its pages attacks the dashboard as its path says."""

    pages: dict[str, str]
    referers: list[str]

    def do_GET(self) -> None:
        self.referers.append(self.headers.get("Referer", ""))
        body = self.pages.get(self.path, "").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def evil() -> Iterator[tuple[type[Evil], int]]:
    site = type("Site", (Evil,), {"pages": {}, "referers": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield site, server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def put(queue: CommandLine, body: object, **headers: object) -> str:
    job = new_id()
    data = Codec().encode({"type": "mail.welcome", "id": job, **headers}, body)
    adapter = open_engine(queue.url).adapter()
    (answer,) = adapter.put([NewJob(id=job, type="mail.welcome", queue="mail", body=data)])
    adapter.close()
    assert answer == job
    return job


def is_there(queue: CommandLine, job: str, state: str) -> bool:
    admin = open_engine(queue.url).admin()
    (found,) = admin.peek([job])
    admin.close()
    return found is not None and found.state.value == state


@pytest.mark.parametrize("text", PAYLOADS)
def test_a_payload_is_text_on_every_page(queue: CommandLine, tab: Any, text: str) -> None:
    kind = "".join(char for char in text if char.isprintable() and char != " ")
    job = put(queue, {text: [text]}, type=kind, errors=[text, text], failures=2, **{text: text})

    for path in ("/", "/queues/mail", "/jobs", f"/jobs/{job}", "/types", "/workers"):
        page = tab.go(path)
        page.wait_for_timeout(50)

        assert page.locator("script:not([src]), iframe, img[src=x], svg[onload]").count() == 0
        assert page.locator('a[href^="javascript:"]').count() == 0
        assert page.locator("#live").count() == 1
    shown = tab.go(f"/jobs/{job}").inner_text("#body")
    assert text.replace("\u202e", "\\u202e").replace('"', '\\"') in shown


def test_a_payload_of_a_megabyte_is_shown_in_part(url: str, tmp_path: Path, browser: Any) -> None:
    queue = CommandLine(tmp_path, f"{url}?max_job_size=2000000")
    job = put(queue, "<b>" * 350_000)
    from tests.dashboard.browser.watched import Watched

    with Served(queue.url, tmp_path) as served:
        context = browser.new_context()
        tab = Watched(context, served.root)
        tab.page.goto(served.address)

        page = tab.go(f"/jobs/{job}")

        assert "characters)" in page.inner_text("#body")
        assert len(page.content()) < 500_000
        assert page.locator("textarea").count() == 0
        tab.check()
        context.close()


def attacks(root: str, job: str) -> dict[str, str]:
    post = f'method="post" action="{root}/jobs/{job}/delete"'
    fetches = "".join(
        f"fetch('{root}/jobs/{job}{path}', {{method: '{method}', credentials: 'include', "
        f"mode: '{mode}', headers: {{{more}}}, body: {body}}}).catch(() => 0);"
        for method, path, mode, more, body in (
            ("POST", "/delete", "no-cors", "", "'csrf='"),
            ("POST", "/delete", "cors", "'X-HTTP-Method-Override': 'DELETE'", "'csrf='"),
            ("DELETE", "", "cors", "", "null"),
            ("PUT", "", "cors", "", "'x'"),
            ("PATCH", "/delete", "cors", "", "'x'"),
            ("POST", "/delete", "cors", "'Content-Type': 'text/plain'", "'csrf=1'"),
        )
    )
    return {
        "form": f"<form id=f {post}><input name=csrf value=1></form><script>f.submit()</script>",
        "text form": f"<form id=f enctype=text/plain {post}></form><script>f.submit()</script>",
        "fetch": f"<script>{fetches} setTimeout(() => document.title = 'done', 700)</script>",
        "frame": f"<iframe src='{root}/jobs/{job}'></iframe>",
        "websocket": f"<script>new WebSocket('{root.replace('http', 'ws')}/')</script>",
        "link": f"<a id=l href='{root}/jobs/{job}'>x</a>",
    }


@pytest.mark.parametrize("name", ["form", "text form", "fetch", "frame", "websocket"])
@pytest.mark.parametrize("host", ["127.0.0.1", "evil.test"])
def test_another_site_changes_nothing(
    queue: CommandLine,
    served: Served,
    open_tab: Callable[..., Any],
    evil: tuple[type[Evil], int],
    name: str,
    host: str,
) -> None:
    job = queue.bury()
    site, port = evil
    site.pages["/"] = attacks(served.root, job)[name]
    tab = open_tab()
    stranger = tab.page.context.new_page()  # in the browser that holds the cookie

    stranger.goto(f"http://{host}:{port}/")
    stranger.wait_for_timeout(1_000)

    assert is_there(queue, job, "buried")
    if name == "frame":
        frame = stranger.frames[-1]
        assert "mail.welcome" not in frame.content()


def test_a_name_that_leads_here_is_not_ours(
    queue: CommandLine, served: Served, open_tab: Callable[..., Any]
) -> None:
    tab = open_tab()
    stranger = tab.page.context.new_page()

    answer = stranger.goto(f"http://evil.test:{served.port}/jobs")

    assert answer is not None
    assert answer.status == 421
    assert answer.header_value("set-cookie") is None


def test_the_token_goes_nowhere_else(
    served: Served, browser: Any, evil: tuple[type[Evil], int]
) -> None:
    site, port = evil
    token = served.address.partition("token=")[2]
    context = browser.new_context()
    page = context.new_page()
    page.goto(served.address)

    page.evaluate(f"location.href = 'http://127.0.0.1:{port}/'")
    page.wait_for_url(f"http://127.0.0.1:{port}/")

    assert token
    assert token not in page.url
    assert site.referers[0] in ("", f"{served.root}/")
    assert token not in str(context.cookies())
    assert served.stop() == 0
    assert token not in served.said
    context.close()


def test_half_sent_requests_keep_nobody_out(served: Served) -> None:
    sockets = []
    for _ in range(200):
        slow = socket.create_connection(("127.0.0.1", served.port), timeout=5)
        slow.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")
        sockets.append(slow)

    with urllib.request.urlopen(f"{served.root}/robots.txt", timeout=5) as answer:
        assert answer.status == 200
    for slow in sockets:
        slow.close()


def test_ten_thousand_guesses_open_nothing(served: Served) -> None:
    import http.client

    guesser = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    found: dict[int, int] = {}
    for number in range(10_000):
        guesser.request("GET", "/jobs", headers={"Authorization": f"Bearer guess-{number}"})
        answer = guesser.getresponse()
        answer.read()
        found[answer.status] = found.get(answer.status, 0) + 1
    guesser.close()

    assert set(found) == {401, 429}
    assert found[401] <= 20


def test_a_large_header_or_path_ends_nothing(served: Served) -> None:
    for path in ("/" + "x" * 60_000, "/jobs/" + "%00" * 100, "/queues/" + "%2e%2e/" * 50):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{served.root}{path}", timeout=5)
        assert 400 <= refused.value.code < 500
        refused.value.close()
    with urllib.request.urlopen(f"{served.root}/robots.txt", timeout=5) as answer:
        assert answer.status == 200
