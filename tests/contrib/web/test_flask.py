"""Flask applications, and jobs that run in their context."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, current_app, has_app_context

import pulpo
from pulpo.contrib.flask import Pulpo

SEEN: list[str] = []


@pytest.fixture
def app() -> Iterator[pulpo.Pulpo]:
    SEEN.clear()
    with pulpo.Pulpo("memory://") as made:
        yield made


def note() -> None:
    SEEN.append(current_app.config["SHOP"])


async def note_slowly() -> None:
    SEEN.append(current_app.config["SHOP"])


def flask(shop: str, **config: str) -> Flask:
    made = Flask(shop)
    made.config.update(SHOP=shop, **config)
    return made


def test_the_queue_is_the_one_of_the_config(app: pulpo.Pulpo, tmp_path) -> None:  # type: ignore[no-untyped-def]
    web = flask("books", PULPO_URL=f"sqlite:///{tmp_path}/queue.db")
    extension = Pulpo(uses=app)
    extension.init_app(web)

    assert app.shown_url == f"sqlite:///{tmp_path}/queue.db"
    assert web.extensions["pulpo"] is extension


def test_jobs_run_in_the_context_of_the_application(app: pulpo.Pulpo) -> None:
    Pulpo(flask("books"), uses=app)
    app.job(note).delay()
    app.job(note_slowly).delay()
    app.run_worker(burst=True, side=False)

    assert SEEN == ["books", "books"]
    assert not has_app_context()


def test_the_last_application_counts(app: pulpo.Pulpo) -> None:
    extension = Pulpo(uses=app)
    extension.init_app(flask("books"))
    extension.init_app(flask("shoes"))
    app.job(note).delay()
    app.run_worker(burst=True, side=False)

    assert SEEN == ["shoes"]


def test_a_wrong_url_is_named(app: pulpo.Pulpo) -> None:
    with pytest.raises(pulpo.ConfigurationError, match=r"PULPO_URL in app\.config.*redis"):
        Pulpo(flask("books", PULPO_URL="redis://x"), uses=app)
