"""Who gets in, what is refused, and what every answer carries."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pulpo.dashboard.access import Hosts
from tests.dashboard.caller import HOST, Caller
from tests.dashboard.conftest import TOKEN, Site

# Who gets in does not depend on the engine.
pytestmark = pytest.mark.parametrize("url", ["file"], indirect=True)

PAGES = ["/", "/queues/mail", "/jobs", "/jobs/1", "/workers", "/types"]


@pytest.mark.parametrize("path", [*PAGES, "/nope"])
def test_nobody_gets_in_without_the_token(site: Site, path: str) -> None:
    answer = Caller(site.app).get(path)

    assert answer.status == 401
    assert "mail" not in answer.text
    assert site.url not in answer.text


def test_the_token_becomes_a_cookie_and_leaves_the_address(site: Site) -> None:
    visitor = Caller(site.app)

    answer = visitor.get(f"/?token={TOKEN}")

    assert (answer.status, answer.header("location")) == (303, "/")
    cookie = answer.header("set-cookie").lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert visitor.get("/").status == 200


def test_a_token_in_the_address_of_another_page_lets_nobody_in(site: Site) -> None:
    assert Caller(site.app).get(f"/jobs?token={TOKEN}").status == 401


def test_a_bearer_gets_in_without_a_cookie(site: Site) -> None:
    assert Caller(site.app).get("/jobs", authorization=f"Bearer {TOKEN}").status == 200


@pytest.mark.parametrize("token", ["", "wrong", f"{TOKEN} ", TOKEN[:-1], "ü"])
def test_a_wrong_token_lets_nobody_in(site: Site, token: str) -> None:
    visitor = Caller(site.app)

    assert visitor.get("/", authorization=f"Bearer {token}x").status == 401
    assert visitor.call("GET", "/?token=" + token.encode().hex()).status == 401
    assert visitor.get("/").status == 401


def test_guessing_has_an_end_and_others_are_not_kept_out(site: Site) -> None:
    guesser = Caller(site.app)
    answers = [guesser.get("/", authorization=f"Bearer {n}").status for n in range(30)]

    assert answers == [401] * 10 + [429] * 20
    assert guesser.get(f"/?token={TOKEN}").status == 429
    assert site.visitor(address="127.0.0.2").get("/").status == 200


def test_who_is_in_stays_in_while_others_guess(site: Site, visitor: Caller) -> None:
    for n in range(20):
        Caller(site.app).get(f"/?token={n}")

    assert visitor.get("/").status == 200


@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:8450", "127.0.0.1.evil.test", "localhost@evil.test", "", "[::"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_a_foreign_host_is_refused(site: Site, method: str, host: str) -> None:
    answer = site.visitor().call(method, "/jobs", headers={"host": host})

    assert answer.status == 421


@pytest.mark.parametrize("host", ["localhost:1", "LOCALHOST", "127.0.0.1", "[::1]:8450"])
def test_the_names_of_the_loopback_are_ours(visitor: Caller, host: str) -> None:
    assert visitor.get("/workers", host=host).status == 200


def test_a_name_that_was_allowed_is_ours_and_addresses_only_on_the_network(url: str) -> None:
    assert Hosts(["Jobs.Example"]).has("jobs.example:443")
    assert not Hosts([]).has("10.0.0.5")
    assert Hosts([], any_address=True).has("10.0.0.5:8450")
    assert not Hosts([], any_address=True).has("jobs.example")


@pytest.mark.parametrize("path", [*PAGES, "/nope", "/static/style.css", "/static/nope"])
def test_every_answer_carries_the_policy(visitor: Caller, path: str) -> None:
    answer = visitor.get(path)
    policy = answer.header("content-security-policy")

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("access-control-allow-origin") == ""


def test_a_refusal_carries_the_policy_too(site: Site) -> None:
    for answer in (Caller(site.app).get("/"), site.visitor().get("/", host="evil.test")):
        assert "default-src 'none'" in answer.header("content-security-policy")


ATTACKS: dict[str, tuple[dict[str, str], dict[str, str], int]] = {
    "without csrf": ({"csrf": ""}, {}, 403),
    "with a wrong csrf": ({"csrf": "0" * 64}, {}, 403),
    "from another site": ({}, {"sec-fetch-site": "cross-site"}, 403),
    "from a sibling site": ({}, {"sec-fetch-site": "same-site"}, 403),
    "from another origin": ({}, {"origin": "http://evil.test"}, 403),
    "from another port": ({}, {"origin": "http://127.0.0.1:9"}, 403),
    "from no origin": ({}, {"origin": "null"}, 403),
    "as text": ({}, {"content-type": "text/plain"}, 400),
    "as json": ({}, {"content-type": "application/json"}, 400),
    "too large": ({"more": "x" * 1_100_000}, {}, 413),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_change_that_was_not_meant_changes_nothing(
    site: Site, visitor: Caller, attack: str
) -> None:
    job = site.queue.bury()
    fields, headers, status = ATTACKS[attack]
    form = visitor.get(f"/jobs/{job}").form("/kick")

    answer = visitor.post(form.action, form.fields | fields, **headers)

    assert answer.status == status
    assert site.state(job) == "buried"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "POSTS"])
def test_other_methods_change_nothing(site: Site, visitor: Caller, method: str) -> None:
    job = site.queue.bury()

    for path in (f"/jobs/{job}", f"/jobs/{job}/delete"):
        assert visitor.call(method, path).status == 405
    assert site.state(job) == "buried"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_act_is_no_page(site: Site, visitor: Caller, method: str) -> None:
    job = site.queue.bury()
    form = visitor.get(f"/jobs/{job}").form("/delete")

    answer = visitor.call(
        method,
        f"{form.action}?csrf={form.fields['csrf']}",
        headers={"x-http-method-override": "POST", "x-method-override": "DELETE"},
    )

    assert answer.status == 404
    assert site.state(job) == "buried"


def test_a_bearer_needs_the_mark_of_our_forms_as_well(site: Site) -> None:
    job, bearer = site.queue.bury(), Caller(site.app)
    headers = {"authorization": f"Bearer {TOKEN}"}

    assert bearer.post(f"/jobs/{job}/kick", {}, **headers).status == 403

    form = bearer.get(f"/jobs/{job}", **headers).form("/kick")
    assert bearer.post(form.action, form.fields, **headers).status == 303
    assert site.state(job) == "ready"


def test_a_dashboard_that_only_shows_has_no_acting_route(make_site: Callable[..., Site]) -> None:
    acting, showing = make_site(), make_site(read_only=True)
    job = acting.queue.bury()
    form = acting.visitor().get(f"/jobs/{job}").form("/kick")
    visitor = showing.visitor()

    for path in ("/", "/jobs", f"/jobs/{job}", "/queues/mail"):
        assert [f.method for f in visitor.get(path).forms if f.method != "get"] == []
    assert visitor.post(form.action, form.fields).status in (404, 405)
    assert all(route.methods <= {"GET", "HEAD"} for route in _routes(showing))
    assert showing.state(job) == "buried"


def _routes(site: Site) -> list:
    return [route for route in site.app.routes if hasattr(route, "methods")]


@pytest.mark.parametrize(
    ("role", "status", "acts"),
    [("admin", 200, True), (True, 200, True), ("viewer", 200, False), (None, 401, False)],
)
def test_an_application_says_who_may(
    make_site: Callable[..., Site], role: object, status: int, acts: bool
) -> None:
    site = make_site(auth=lambda request: role, hosts=None)
    job = site.queue.bury()
    visitor = Caller(site.app, host="jobs.example")

    answer = visitor.get(f"/jobs/{job}")

    assert answer.status == status
    assert any(form.method == "post" for form in answer.forms) is acts


def test_a_role_that_nobody_knows_lets_nobody_in(make_site: Callable[..., Site]) -> None:
    site = make_site(auth=lambda request: "amdin", hosts=None)

    assert Caller(site.app).get("/").status == 401


def test_a_viewer_who_knows_a_mark_changes_nothing(make_site: Callable[..., Site]) -> None:
    job = make_site().queue.bury()
    admin, viewer = make_site(auth=lambda r: "admin"), make_site(auth=lambda r: "viewer")
    form = Caller(admin.app).get(f"/jobs/{job}").form("/delete")

    assert Caller(viewer.app).send(form).status == 403
    assert viewer.state(job) == "buried"


def test_an_application_may_say_it_later(make_site: Callable[..., Site]) -> None:
    async def who(request: object) -> str:
        return "admin"

    assert Caller(make_site(auth=who).app).get("/").status == 200


def test_a_websocket_is_closed(site: Site) -> None:
    import asyncio

    said: list[dict] = []

    async def send(message: dict) -> None:
        said.append(message)

    async def receive() -> dict:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/", "headers": [(b"host", HOST.encode())]}
    asyncio.run(site.app(scope, receive, send))

    assert [message["type"] for message in said] == ["websocket.close"]


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/."]
)
def test_no_file_beside_our_own_is_served(visitor: Caller, path: str) -> None:
    answer = visitor.get(path)

    assert answer.status in (404, 405)
    assert "import" not in answer.text
