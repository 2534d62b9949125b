"""Handlers that are no job functions, from code and from a settings file."""

import asyncio
import functools
import sys
from pathlib import Path

import pytest

import pulpo
from pulpo.configuration import find_settings
from pulpo.envelope import Envelope
from pulpo.errors import ConfigurationError, LoadError, UsageError, WrongTypeError
from pulpo.handlers import configured_types, declared_types
from pulpo.job import Job
from pulpo.run import Run


@pytest.fixture
def app():
    return pulpo.Pulpo("memory://")


def called(job_type, body="body", **headers):
    """What the handler of a type returns for a job."""
    headers = {"type": job_type.type, "id": "x", **headers}
    job = Job(number=1, body=b"", queue="q", priority=3)
    return job_type.bind(Run(job, Envelope(headers, body), job_type))()


class Echo:
    def handle(self, message: pulpo.Message) -> pulpo.Outcome:
        return pulpo.Success(message)


class AsyncEcho:
    async def handle(self, message):
        return message.body


class Callable:
    def __call__(self, message):
        return message.body


class AsyncCallable:
    async def __call__(self, message):
        return message.body


def plain(message):
    return message.body


async def coroutine(message):
    return message.body


def test_a_handler_sees_the_message_as_published(app):
    app.register("t", Echo())
    message = called(app.registry["t"], {"a": 1}, tenant="acme", failures=2).value

    assert (message.type, message.body, message.headers) == ("t", {"a": 1}, {"tenant": "acme"})
    assert (message.priority, message.queue, message.id) == (3, "q", "x")


@pytest.mark.parametrize(
    "handler",
    [plain, Callable(), Callable, lambda message: message.body, functools.partial(plain)],
)
def test_any_callable_that_takes_a_message_is_a_handler(app, handler):
    app.register("t", handler)

    assert not app.registry["t"].is_async
    assert called(app.registry["t"]) == "body"


@pytest.mark.parametrize(
    "handler",
    [coroutine, AsyncEcho(), AsyncEcho, AsyncCallable(), functools.partial(coroutine)],
)
def test_a_handler_may_be_async(app, handler):
    app.register("t", handler)

    assert app.registry["t"].is_async
    assert asyncio.run(called(app.registry["t"])) == "body"


def test_a_bound_method_is_a_handler(app):
    app.register("t", Echo().handle)

    assert called(app.registry["t"]).value.body == "body"


def test_a_class_is_instantiated_once(app):
    made = []

    class Counting:
        def __init__(self):
            made.append(self)

        def handle(self, message):
            return self

    app.register("t", Counting)

    assert called(app.registry["t"]) is called(app.registry["t"]) is made[0]
    assert len(made) == 1


class NeedsArguments:
    def __init__(self, connection): ...

    def handle(self, message): ...


class NothingToCall: ...


class HandleIsNoMethod:
    handle = 7


class TakesNothing:
    def handle(self): ...


class Yields:
    def handle(self, message):
        yield 1


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (NeedsArguments, r"'t' can't be made without arguments \(missing.*'connection'"),
        (NothingToCall(), "'t' must have a handle.message. method or be callable"),
        (HandleIsNoMethod(), "must have a handle.message. method"),
        (None, "must have a handle.message. method or be callable: None"),
        ("shop.images:Resize", "must have a handle.message. method or be callable"),
        (TakesNothing, "'t' must take one argument, the message"),
        (lambda: 1, "must take one argument"),
        (lambda message, other: 1, "must take one argument"),
        (Yields(), "must return, not yield"),
    ],
)
def test_what_is_no_handler_is_refused_by_name(app, handler, words):
    with pytest.raises(WrongTypeError, match=words):
        app.register("t", handler)
    assert len(app.registry) == 0


def test_a_job_function_is_registered_already(app):
    @app.job
    def f(message): ...

    with pytest.raises(WrongTypeError, match="is a job function, it is registered already"):
        app.register("t", f)


def test_register_takes_the_options_of_job(app):
    app.register("t", plain, queue="q", retries=3, aliases=["old"])

    assert app.registry["old"].queue == "q"
    with pytest.raises(pulpo.UnknownOptionError, match="'retry'; did you mean 'retries'"):
        app.register("u", plain, retry=3)
    with pytest.raises(UsageError, match="the type is given already: 'u'"):
        app.register("u", plain, type="v")
    with pytest.raises(UsageError, match="type must be 1 to 200"):
        app.register("a b", plain)


def test_two_handlers_for_one_type_are_refused(app):
    app.register("t", plain)
    app.register("t", plain)
    with pytest.raises(pulpo.DuplicateJobTypeError, match=r"'t' is taken by .*plain"):
        app.register("t", Echo())


MODULE = """
class Busy(Exception): ...

class Resize:
    def handle(self, message):
        return message.body

class Nested:
    class Inner:
        def __call__(self, message): ...

def crop(message): ...

def needs_nothing(): ...
"""


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Write handlers into a settings file beside a package `shop`; returns the settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "images.py").write_text(MODULE)
    (tmp_path / "shop" / "broken.py").write_text("import pulpo\n1 / 0")

    def write(text):
        (tmp_path / "pulpo.toml").write_text(f"[handlers]\n{text}")
        return find_settings()

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == "shop"]:
        del sys.modules[name]


def test_an_architect_maps_types_to_code(settings):
    found = configured_types(
        settings(
            '"image.resize" = "shop.images:Resize"\n'
            '"image.crop" = { handler = "shop.images:crop", queue = "images", retries = 3 }\n'
            '"image.inner" = "shop.images:Nested.Inner"'
        )
    )

    assert [job_type.type for job_type in found] == ["image.resize", "image.crop", "image.inner"]
    assert [job_type.queue for job_type in found] == ["default", "images", "default"]
    assert found[1].policy.retries == 3
    assert called(found[0]) == "body"
    assert found[0].source == "shop.images.Resize"


def test_handlers_beside_a_settings_file_are_found_from_a_folder_below(
    settings, tmp_path, monkeypatch
):
    settings('"image.resize" = "shop.images:Resize"')
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "deeper")

    (found,) = configured_types(find_settings())

    assert called(found) == "body"
    assert sys.path[:2] == [str(Path.cwd()), str(tmp_path)]


def test_errors_in_options_are_named_in_text(settings):
    (found,) = configured_types(
        settings(
            '"t" = { handler = "shop.images:crop", transient = ["shop.images:Busy", "OSError"], '
            'fatal = "ValueError", backoff = [1, "5m"], timeout = "1m" }'
        )
    )

    assert [error.__name__ for error in found.policy.transient] == ["Busy", "OSError"]
    assert found.policy.fatal == (ValueError,)
    assert found.timeout == 60


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ('"t" = "shop.images"', ConfigurationError, "write 'module:name': 'shop.images'"),
        ('"t" = ":Resize"', ConfigurationError, "write 'module:name'"),
        ('"t" = "shop.imagse:Resize"', LoadError, "no module 'shop.imagse'"),
        ('"t" = "nowhere.images:Resize"', LoadError, "no module 'nowhere.images'"),
        ('"t" = "shop.images:Resise"', ConfigurationError, "no 'Resise'; did you mean 'Resize'"),
        ('"t" = "shop.images:needs_nothing"', ConfigurationError, "must take one argument"),
        ('"t" = "shop.broken:f"', LoadError, "ZeroDivisionError: division by zero"),
        ('"a b" = "shop.images:crop"', ConfigurationError, "type must be 1 to 200"),
        (
            '"t" = {handler = "shop.images:crop", retry = 1}',
            ConfigurationError,
            "unknown option 'retry'; did you mean 'retries'",
        ),
        (
            '"t" = {handler = "shop.images:crop", type = "u"}',
            ConfigurationError,
            "unknown option 'type'",
        ),
        (
            '"t" = {handler = "shop.images:crop", priority = -1}',
            ConfigurationError,
            "priority must be 0",
        ),
        (
            '"t" = {handler = "shop.images:crop", fatal = "NoSuchError"}',
            ConfigurationError,
            "fatal must be exception classes: 'NoSuchError'",
        ),
        (
            '"t" = {handler = "shop.images:crop", transient = ["shop.images:Resize"]}',
            ConfigurationError,
            "transient must be exception classes",
        ),
    ],
)
def test_a_wrong_entry_is_refused_with_file_key_and_value(settings, line, kind, words):
    with pytest.raises(kind, match=words) as caught:
        configured_types(settings(line))
    assert "pulpo.toml" in str(caught.value)
    assert "handlers.'t'" in str(caught.value) or "handlers.'a b'" in str(caught.value)


def test_a_module_that_fails_shows_its_own_traceback(settings):
    with pytest.raises(LoadError) as caught:
        configured_types(settings('"t" = "shop.broken:f"'))

    assert 'broken.py", line 2' in caught.value.shown
    assert "importlib" not in caught.value.shown


def test_an_app_loads_the_handlers_of_the_settings(settings):
    settings('"image.resize" = { handler = "shop.images:Resize", queue = "images" }')
    app = pulpo.Pulpo("memory://")
    app.load_handlers()

    assert app.registry["image.resize"].queue == "images"
    assert app.registry.queues() == ["default", "images"]


def test_a_producer_learns_the_queue_from_the_settings_without_the_code(settings):
    settings(
        '"image.resize" = { handler = "not.here:Resize", queue = "images", priority = 5, '
        'aliases = ["old"], fatal = "not.here:Error" }'
    )
    with pulpo.Pulpo("memory://") as app:
        refs = app.publish_many([pulpo.Message(type=name) for name in ("image.resize", "old", "x")])

    assert [ref.queue for ref in refs] == ["images", "images", "default"]
    assert "not" not in sys.modules


def test_a_declared_type_cannot_run(settings):
    declared = declared_types(settings('"t" = "not.here:Resize"'))["t"]

    with pytest.raises(UsageError, match="the handler of 't' is not loaded"):
        called(declared)
