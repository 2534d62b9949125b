"""Every page, every act, and what is live, in a real browser without an error in its console."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pulpo.adapters import open_engine
from pulpo.job import QueueStats
from tests.acceptance.command_line import CommandLine
from tests.dashboard.browser.served import Served
from tests.dashboard.browser.told import tell
from tests.dashboard.test_bulk_acts import put_many

TRACE = (
    'Traceback (most recent call last):\n  File "shop/mail.py", line 31, in welcome\n'
    '    send(address_of(user_id))\n  File "shop/users.py", line 12, in address_of\n'
    '    raise LookupError(f"no user {user_id}")\nLookupError: no user 7'
)
# How pages look does not depend on the engine.
on_a_file = pytest.mark.parametrize("url", ["file"], indirect=True)
# What the documentation shows.
PICTURES = {
    "overview-light",
    "overview-dark",
    "overview-phone",
    "jobs-light",
    "job-light",
    "job-dark",
}
PHONE = {"width": 360, "height": 740}


@pytest.fixture
def shop(queue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return jobs of every kind that a page shows, by name; a worker has told of itself."""
    tell(queue.url, monkeypatch)
    admin = open_engine(queue.url).admin()
    jobs = {
        "ready": queue.put(type="mail.welcome", tenant="acme"),
        "late": queue.put(
            delay=3_000, failures=2, errors=["TimeoutError: slow", "OSError: no route to host"]
        ),
        "buried": queue.bury(failures=3, errors=["TimeoutError: slow", TRACE]),
        "report": queue.put(type="report.weekly", queue="reports"),
        "odd": queue.put(body=b"\xffnot a job", queue="images"),
    }
    admin.pause("reports", 600)
    admin.close()
    return jobs


def stats(queue: CommandLine) -> QueueStats:
    admin = open_engine(queue.url).admin()
    found = admin.stats("mail")
    admin.close()
    return found


def state(queue: CommandLine, job: str) -> str:
    admin = open_engine(queue.url).admin()
    (found,) = admin.peek([job])
    admin.close()
    return "gone" if found is None else found.state.value


@on_a_file
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"width": 1200, "height": 800}, PHONE], ids=["desk", "phone"])
def test_every_page_is_sound(
    shop: dict[str, str],
    open_tab: Callable[..., Any],
    screenshots: Path,
    scheme: str,
    size: dict[str, int],
) -> None:
    tab = open_tab(viewport=size, color_scheme=scheme)
    paths = {
        "overview": "/",
        "queue": "/queues/mail",
        "jobs": "/jobs?queue=mail",
        "job": f"/jobs/{shop['buried']}",
        "delayed": f"/jobs/{shop['late']}",
        "workers": "/workers",
        "types": "/types",
        "refused": "/jobs?state=nonsense",
        "missing": "/jobs/0198c0de-7a11-7b0b-8123-6c6f73746a6f",
    }
    for name, path in paths.items():
        page = tab.go(path)

        assert tab.accessibility() == [], name
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= size["width"], f"{name} is wider than the window"
        kind = "phone" if size == PHONE else scheme
        if f"{name}-{kind}" in PICTURES and (kind != "phone" or scheme == "light"):
            page.screenshot(path=screenshots / f"dashboard-{name}-{kind}.png")
    # An answer that is not 200 is told in the console too, and only those two are meant here.
    expected = [t for t in tab.troubles if "400 (Bad Request)" in t or "404 (Not Found)" in t]
    assert len(expected) == 2
    tab.troubles = [t for t in tab.troubles if t not in expected]


@on_a_file
def test_dark_and_light_look_different(open_tab: Callable[..., Any]) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"

    light = open_tab(color_scheme="light").page.evaluate(ground)
    dark = open_tab(color_scheme="dark").page.evaluate(ground)

    assert light == "rgb(250, 249, 247)"
    assert dark == "rgb(20, 18, 27)"


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_every_act_works_with_and_without_a_script(
    shop: dict[str, str], queue: CommandLine, open_tab: Callable[..., Any], script: bool
) -> None:
    tab = open_tab(java_script_enabled=script)
    tab.check = lambda: None if not script else type(tab).check(tab)

    tab.go(f"/jobs/{shop['late']}")
    assert "Kicked 1 job" in tab.press("/kick").inner_text("main")
    assert state(queue, shop["late"]) == "ready"

    assert "Buried 1 job" in tab.press("/bury").inner_text("main")
    assert state(queue, shop["late"]) == "buried"

    tab.go(f"/jobs/{shop['buried']}")
    tab.page.fill("textarea", '{"user_id": 8}')
    page = tab.press("/edit")
    assert "new contents" in page.inner_text("main")
    assert '"user_id": 8' in page.inner_text("#body")
    assert state(queue, shop["buried"]) == "ready"

    tab.press("/delete")
    assert state(queue, shop["buried"]) == "gone"

    tab.go("/queues/mail")
    tab.page.select_option("select", "10m")
    assert "Paused for" in tab.press("/pause").inner_text("main")
    assert "Resumed" in tab.press("/resume").inner_text("main")
    assert "Kicked 1 job" in tab.press("/kick").inner_text("main")
    assert state(queue, shop["late"]) == "ready"


def test_all_that_a_filter_shows_are_acted_on(
    shop: dict[str, str], queue: CommandLine, tab: Any
) -> None:
    other = queue.bury(errors=["OSError: disk full"])
    tab.go("/jobs")
    tab.page.fill('input[name="error"]', "no user")
    with tab.page.expect_navigation():
        tab.page.get_by_role("button", name="Filter").click()
    assert "error=no+user" in tab.page.url

    with tab.page.expect_navigation():
        tab.page.get_by_role("button", name="Kick 1 job", exact=True).click()

    assert "Kicked 1 job" in tab.page.inner_text("main")
    assert state(queue, shop["buried"]) == "ready"
    assert state(queue, other) == "buried"


def test_a_filter_by_age_and_payload_finds_what_it_says(
    shop: dict[str, str], queue: CommandLine, tab: Any
) -> None:
    page = tab.go("/jobs")
    page.fill('input[name="older"]', "0s")
    page.fill('input[name="newer"]', "10m")
    page.fill('input[name="where"]', "body.to=a")
    page.fill('input[name="type"]', "mail.*")
    with page.expect_navigation():
        page.get_by_role("button", name="Filter").click()

    assert "newer=10m" in page.url
    assert page.input_value('input[name="older"]') == "0s"
    assert page.input_value('input[name="where"] >> nth=0') == "body.to=a"
    with page.expect_navigation():  # a second condition, by keys alone
        page.fill('input[name="where"] >> nth=1', "body.to=b")
        page.keyboard.press("Enter")
    assert "No job matches" in page.inner_text("main")
    page.go_back()

    with page.expect_navigation():
        page.get_by_role("button", name="Delete 2 jobs", exact=True).click()

    assert "Deleted 2 jobs" in page.inner_text("main")
    assert [state(queue, shop[name]) for name in ("ready", "late", "buried", "report")] == [
        "gone",
        "gone",
        "buried",
        "ready",
    ]


@on_a_file
def test_many_jobs_are_counted_and_then_acted_on(queue: CommandLine, tab: Any) -> None:
    put_many(queue.url, 5_000)
    page = tab.go("/jobs?type=mail.*")
    assert page.get_by_role("button", name="Delete").count() == 50, "only those of single jobs"

    with page.expect_navigation():
        page.get_by_role("button", name="Count all that match").click()
    page.wait_for_selector(".errand button:has-text('Delete 5,000 jobs')", timeout=15_000)
    assert tab.accessibility() == []
    with page.expect_navigation():
        page.get_by_role("button", name="Delete 5,000 jobs").click()

    page.wait_for_selector("text=No job matches", timeout=15_000)
    assert stats(queue).ready == 0


def test_pages_are_live_without_a_reload(queue: CommandLine, tab: Any) -> None:
    page = tab.go("/jobs")
    page.evaluate("window.stays = true")
    page.focus("#search")

    job = queue.put()

    page.wait_for_selector(f'a[href$="/jobs/{job}"]', timeout=15_000)
    assert page.evaluate("window.stays") is True
    assert page.evaluate("document.activeElement.id") == "search"


@on_a_file
def test_what_is_live_does_not_take_the_focus_away(
    shop: dict[str, str], queue: CommandLine, tab: Any
) -> None:
    page = tab.go("/")
    button = page.get_by_role("button", name="Kick job " + shop["buried"])
    button.focus()

    queue.put(queue="another")

    page.wait_for_selector('a[href$="/queues/another"]', timeout=15_000)
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == "Kick job " + shop["buried"]


@on_a_file
def test_a_hidden_tab_asks_for_nothing(tab: Any) -> None:
    page = tab.go("/")
    asked: list[str] = []
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    page.wait_for_timeout(100)
    page.on("request", lambda request: asked.append(request.url))

    page.wait_for_timeout(4_500)

    assert asked == []


@on_a_file
def test_a_page_whose_job_is_gone_says_so(
    shop: dict[str, str], queue: CommandLine, tab: Any
) -> None:
    page = tab.go(f"/jobs/{shop['ready']}")
    assert not page.is_visible("#not-live")

    assert queue("jobs", "delete", shop["ready"]).code == 0

    page.wait_for_selector("#not-live:visible", timeout=15_000)
    assert "is gone" in page.inner_text("#not-live")
    tab.troubles = [text for text in tab.troubles if "404 (Not Found)" not in text]


@on_a_file
def test_a_page_that_is_not_live_any_more_says_so(served: Served, tab: Any) -> None:
    page = tab.go("/jobs")

    served.stop()

    page.wait_for_selector("#not-live:visible", timeout=15_000)
    assert "does not answer" in page.inner_text("#not-live")
    assert any("ERR_CONNECTION_REFUSED" in text for text in tab.troubles)
    tab.troubles = []


@on_a_file
def test_the_search_finds_a_job_by_keys_alone(shop: dict[str, str], tab: Any) -> None:
    page = tab.go("/workers")

    page.keyboard.press("/")
    page.keyboard.type(shop["ready"])
    with page.expect_navigation():
        page.keyboard.press("Enter")

    assert page.url.endswith(f"/jobs/{shop['ready']}")
    assert "mail.welcome" in page.inner_text("h1")


@on_a_file
def test_the_keyboard_reaches_every_act(shop: dict[str, str], tab: Any) -> None:
    page = tab.go(f"/jobs/{shop['buried']}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("(document.activeElement.form || {}).action || ''"))

    verbs = {action.rpartition("/")[2] for action in reached}
    assert {"kick", "delete", "edit"} <= verbs
