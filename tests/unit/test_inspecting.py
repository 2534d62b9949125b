"""One look at some code finds every wrong option in it, not only the first."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pulpo
from pulpo import default_app, use_as_default
from pulpo.errors import LoadError
from pulpo.inspecting import InspectedApp


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InspectedApp]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before, known = default_app(), set(sys.modules)
    app = InspectedApp()
    use_as_default(app)
    yield app
    use_as_default(before)
    app.close()
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write(name: str, text: str) -> None:
    Path(f"{name}.py").write_text("import pulpo\n" + text)


def faults(app: InspectedApp) -> list[tuple[str, str | None, str | None]]:
    return [(fault.module, fault.type, fault.option) for fault in app.faults]


def test_right_code_has_no_faults_and_its_types_are_known(app: InspectedApp) -> None:
    write(
        "right",
        """
@pulpo.job
def plain(a): ...
@pulpo.job(type="b", retries=3, backoff=[1, 2])
async def other(a): ...
class Handler:
    def handle(self, message): ...
pulpo.register("c", Handler, timeout="1m")
""",
    )

    app.inspect(["right"])

    assert faults(app) == []
    assert sorted(job_type.type for job_type in app.registry) == ["b", "c", "right.plain"]


def test_every_wrong_option_of_every_declaration_is_found(app: InspectedApp) -> None:
    write(
        "wrong",
        """
@pulpo.job(type="a", retries=-1, timeout="soon", queue="mail")
def a(): ...
@pulpo.job(type="b", retrise=3)
def b(): ...
@pulpo.job(type="", ttr=0)
def c(): ...
pulpo.register("d", lambda message: None, priority=-5, transient="ValueError")
""",
    )

    app.inspect(["wrong"])

    assert faults(app) == [
        ("wrong", "a", "retries"),
        ("wrong", "a", "timeout"),
        ("wrong", "b", "retrise"),
        ("wrong", "", "type"),
        ("wrong", "", "ttr"),
        ("wrong", "d", "priority"),
        ("wrong", "d", "transient"),
    ]
    assert "did you mean 'retries'?" in app.faults[2].error
    # With what is right of them, all are known: their payloads can be looked at.
    assert {job_type.type for job_type in app.registry} == {"a", "b", "wrong.c", "d"}
    assert app.registry["a"].queue == "mail"


def test_what_can_not_be_a_job_is_found_and_the_module_goes_on(app: InspectedApp) -> None:
    write(
        "odd",
        """
@pulpo.job(type="a")
def a():
    yield
@pulpo.job("b")
def b(): ...
@pulpo.job(type="c")
def c(): ...
@pulpo.job(type="c")
def again(): ...
pulpo.register("d", lambda: None)
@pulpo.job(retries=-1)
def last(): ...
""",
    )

    app.inspect(["odd"])

    assert faults(app) == [
        ("odd", "a", None),
        ("odd", "b", "type"),
        ("odd", "c", None),
        ("odd", "d", None),
        ("odd", "odd.last", "retries"),
    ]
    assert "must return, not yield" in app.faults[0].error
    assert "taken by" in app.faults[2].error


def test_a_module_that_fails_does_not_hide_the_next_one(app: InspectedApp) -> None:
    write("broken", "@pulpo.job(retries=-1)\ndef a(): ...\nprint(1 / 0)\n")
    write("next", "@pulpo.job(type='n', ttr=0)\ndef n(): ...\n")

    app.inspect(["broken", "next"])

    assert faults(app) == [
        ("broken", "broken.a", "retries"),
        ("broken", None, None),
        ("next", "n", "ttr"),
    ]
    assert "ZeroDivisionError" in app.faults[1].error
    assert "print(1 / 0)" in app.faults[1].shown


def test_a_module_that_is_not_there_is_a_wrong_name(app: InspectedApp) -> None:
    with pytest.raises(LoadError, match="no module 'nowhere'"):
        app.inspect(["nowhere"])


def test_every_handler_of_a_settings_file_is_looked_at(app: InspectedApp) -> None:
    write("images", "class Resize:\n    def handle(self, message): ...\n")
    Path("pulpo.toml").write_text(
        """
[handlers]
"a" = { handler = "images:Resize", retries = -1, ttr = 0 }
"b" = "images:Resise"
"c" = "nowhere:Thing"
"d" = { handler = "images:Resize", fatal = "images:Nothing" }
"e" = { handler = "images:Resize", queue = "images" }
"""
    )

    app.inspect([])

    assert faults(app) == [
        ("images", "a", "retries"),
        ("images", "a", "ttr"),
        ("images", "b", None),
        ("nowhere", "c", None),
        ("images", "d", None),
    ]
    assert "did you mean 'Resize'?" in app.faults[2].error
    assert {job_type.type for job_type in app.registry} == {"a", "e"}


def test_a_settings_file_that_can_not_be_read_is_a_fault(app: InspectedApp) -> None:
    Path("pulpo.toml").write_text("handlers = 3\n")

    app.inspect([])

    assert len(app.faults) == 1
    assert "must be a table" in app.faults[0].error


def test_the_default_app_is_the_one_that_was_given(app: InspectedApp) -> None:
    assert pulpo.job.__self__ is app  # type: ignore[attr-defined]
