"""A real browser, and a dashboard that it looks at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command_line import CommandLine
from tests.dashboard.browser.served import Served
from tests.lab.needs import find_chromium, need

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP evil.test 127.0.0.1",
]


# Not of the session: as long as it is open, no other test of this process may run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return the browser of a file; skip without one, but fail where CI is set."""
    need("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=find_chromium(), args=_FLAGS)
        yield found
        found.close()


@pytest.fixture
def served(url: str, tmp_path: Path) -> Iterator[Served]:
    """Return a dashboard that runs on the queue."""
    with Served(url, tmp_path) as found:
        yield found


@pytest.fixture
def queue(url: str, tmp_path: Path) -> CommandLine:
    """Return the queue, to put jobs into."""
    return CommandLine(tmp_path, url)


@pytest.fixture
def open_tab(browser: Any, served: Served) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a tab which has shown the token; all are checked at the end."""
    from tests.dashboard.browser.watched import Watched

    with ExitStack() as closing:
        tabs = []

        def opened(**options: Any) -> Watched:
            context = browser.new_context(**options)
            closing.callback(context.close)
            tab = Watched(context, served.root)
            tab.page.goto(served.address)
            tabs.append(tab)
            return tab

        yield opened
        for tab in tabs:
            tab.check()


@pytest.fixture
def tab(open_tab: Callable[..., Any]) -> Any:
    """Return one such tab."""
    return open_tab()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Return where pictures go: into the documentation where SCREENSHOTS is set."""
    if os.environ.get("SCREENSHOTS"):
        return Path(__file__).parents[3] / "docs" / "images"
    return tmp_path
