"""A dashboard on a real queue, and a visitor who may act."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from pulpo import Pulpo
from pulpo.adapter import QueueAdmin
from pulpo.dashboard.access import Hosts
from pulpo.dashboard.app import build
from pulpo.job import ListedJob
from tests.acceptance.command_line import CommandLine
from tests.dashboard.caller import Caller
from tests.lab.beanstalkd import Beanstalkd

TOKEN = "a-token-for-tests-that-nobody-guesses"


@dataclass(frozen=True)
class Site:
    """A dashboard and the queue behind it; `put` and `bury` are those of the command line."""

    app: Starlette
    url: str
    queue: CommandLine
    admin: QueueAdmin

    def visitor(self, **options: Any) -> Caller:
        """Return somebody who has shown the token."""
        found = Caller(self.app, **options)
        assert found.get(f"/?token={TOKEN}").status == 303
        return found

    def seen(self, id: str) -> ListedJob | None:
        """Return a job as it is now."""
        return self.admin.peek([id])[0]

    def state(self, id: str) -> str:
        """Return a job's state; `gone` where nobody has it."""
        job = self.seen(id)
        return "gone" if job is None else job.state.value


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is told beside beanstalkd apart from what other tests tell there."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(params=["file", "beanstalkd"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a queue that nobody else uses, of each durable engine."""
    if request.param == "file":
        yield f"sqlite:///{tmp_path}/queue.db"
        return
    request.getfixturevalue("beanstalkd_program")
    with Beanstalkd() as server:
        yield server.url


@pytest.fixture
def make_site(url: str, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Return a function that makes dashboards on the queue, closed at the end."""
    with ExitStack() as closing:

        def make(**options: Any) -> Site:
            app = Pulpo(url)
            hosts = options.pop("hosts", Hosts([]))
            page = build(app, token=TOKEN, hosts=hosts, **options)
            admin = app.engine.admin()
            closing.callback(admin.close)
            closing.callback(page.state.close)
            return Site(page, url, CommandLine(tmp_path, url), admin)

        yield make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """Return a dashboard as `pulpo dashboard` makes it."""
    return make_site()


@pytest.fixture
def visitor(site: Site) -> Caller:
    """Return somebody who has shown the token."""
    return site.visitor()
