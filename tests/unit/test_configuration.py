"""Where pulpo finds its settings."""

import pytest

from pulpo.configuration import DEFAULT_URL, find_settings, find_url, signing_keys
from pulpo.errors import ConfigurationError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty current folder, three below a root of its own, and no environment."""
    here = tmp_path / "a" / "b"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.delenv("PULPO_URL", raising=False)
    monkeypatch.delenv("PULPO_SIGNING_KEYS", raising=False)
    return here


def test_the_argument_counts_first_then_the_environment_then_the_file(folder, monkeypatch):
    assert (find_url(None).url, find_url(None).source) == (DEFAULT_URL, "the default")

    (folder / "pulpo.toml").write_text('url = "memory://"')
    found = find_url(None)
    assert (found.url, found.source) == ("memory://", f"url in {folder}/pulpo.toml")

    monkeypatch.setenv("PULPO_URL", "beanstalkd://env")
    assert (find_url(None).url, find_url(None).source) == ("beanstalkd://env", "PULPO_URL")

    assert (find_url("sqlite:///x").url, find_url("sqlite:///x").source) == ("sqlite:///x", "")


def test_the_default_is_a_file_in_the_current_folder():
    assert DEFAULT_URL == "sqlite:///.pulpo/queue.db"


def test_an_empty_environment_variable_is_none(monkeypatch):
    monkeypatch.setenv("PULPO_URL", " ")

    assert find_url(None).url == DEFAULT_URL


def test_an_empty_argument_is_not_taken_for_none(monkeypatch):
    monkeypatch.setenv("PULPO_URL", "memory://")

    assert find_url("").url == ""


def test_without_a_file_there_are_no_settings():
    settings = find_settings()

    assert (settings.file, settings.url, settings.handlers) == (None, None, {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pulpo.toml", 'url = "memory://"\n[handlers]\n"a.b" = "m:f"'),
        ("pulpo.toml", '[tool.pulpo]\nurl = "memory://"\n[tool.pulpo.handlers]\n"a.b" = "m:f"'),
        ("pyproject.toml", '[tool.pulpo]\nurl = "memory://"\nhandlers = {"a.b" = "m:f"}'),
    ],
)
def test_a_file_says_url_and_handlers(folder, name, text):
    (folder / name).write_text(text)
    settings = find_settings()

    assert (settings.file, settings.url) == (folder / name, "memory://")
    assert settings.handlers == {"a.b": {"handler": "m:f"}}


def test_a_file_says_schedules(folder):
    (folder / "pulpo.toml").write_text('[schedules]\n"a.b" = { type = "t", every = "1h" }')

    assert find_settings().schedules == {"a.b": {"type": "t", "every": "1h"}}


@pytest.mark.parametrize(
    "text",
    ["schedules = 7", '[schedules]\na = "t"', '[schedules]\na.b = { type = "t", every = "1h" }'],
)
def test_schedules_that_are_none_are_refused_with_the_file(folder, text):
    (folder / "pulpo.toml").write_text(text)

    with pytest.raises(ConfigurationError, match=r"schedules.*pulpo\.toml"):
        find_settings()


def test_the_nearest_file_that_speaks_of_pulpo_counts(folder):
    (folder.parent.parent / "pulpo.toml").write_text('url = "memory://far"')
    (folder.parent / "pyproject.toml").write_text('[tool.pulpo]\nurl = "memory://near"')
    (folder / "pyproject.toml").write_text("[tool.other]\nx = 1")

    assert find_settings().url == "memory://near"


def test_pulpo_toml_goes_before_pyproject_in_one_folder(folder):
    (folder / "pulpo.toml").write_text('url = "memory://one"')
    (folder / "pyproject.toml").write_text('[tool.pulpo]\nurl = "memory://two"')

    assert find_settings().url == "memory://one"


def test_an_empty_pulpo_toml_says_nothing_and_ends_the_search(folder):
    (folder.parent / "pulpo.toml").write_text('url = "memory://far"')
    (folder / "pulpo.toml").write_text("")

    assert (find_settings().file, find_settings().url) == (folder / "pulpo.toml", None)


def test_a_handler_may_be_a_table_with_options(folder):
    (folder / "pulpo.toml").write_text(
        '[handlers]\n"image.crop" = { handler = "shop.images:Crop", queue = "images", retries = 3 }'
    )

    assert find_settings().handlers == {
        "image.crop": {"handler": "shop.images:Crop", "queue": "images", "retries": 3}
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("url = ", "is no TOML"),
        ('urls = "memory://"', "unknown key 'urls' in .*did you mean 'url'"),
        ('colour = "red"', "unknown key 'colour' in .*known: url, handlers"),
        ("url = 7", "url in .* must be text: 7"),
        ("handlers = 7", "handlers in .* must be a table: 7"),
        ("[tool]\npulpo = 7", "tool.pulpo in .* must be a table: 7"),
        ('[handlers]\n"a" = 7', "handlers.'a' in .* must be 'module:name' or a table"),
        ('[handlers]\n"a" = {queue = "q"}', "handlers.'a' in .* must be 'module:name'"),
        ('[handlers]\nimage.resize = "m:f"', "handlers.'image' in .*dots needs quotes"),
    ],
)
def test_a_wrong_file_is_refused_by_its_name(folder, text, words):
    (folder / "pulpo.toml").write_text(text)

    with pytest.raises(ConfigurationError, match=words) as caught:
        find_settings()
    assert "pulpo.toml" in str(caught.value)


def test_a_broken_pyproject_is_not_passed_over(folder):
    (folder / "pyproject.toml").write_bytes(b"[tool.pulpo]\nurl = \xff")

    with pytest.raises(ConfigurationError, match=r"pyproject\.toml is no TOML"):
        find_settings()


def test_signing_keys_are_comma_separated(monkeypatch):
    assert signing_keys() == ()
    monkeypatch.setenv("PULPO_SIGNING_KEYS", "new, old")
    assert list(signing_keys()) == [b"new", b"old"]


@pytest.mark.parametrize("text", [",", "secret,", "secret,,other"])
def test_an_empty_key_is_refused_and_none_is_shown(monkeypatch, text):
    monkeypatch.setenv("PULPO_SIGNING_KEYS", text)

    with pytest.raises(ConfigurationError, match=r"PULPO_SIGNING_KEYS .* one is empty") as caught:
        signing_keys()
    assert "secret" not in str(caught.value)


def test_a_relative_file_in_the_settings_is_seen_from_the_settings_file(tmp_path, monkeypatch):
    monkeypatch.delenv("PULPO_URL", raising=False)
    (tmp_path / "pulpo.toml").write_text('url = "sqlite:///data/queue.db?sync=normal"')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(below)

    assert find_url(None).url == f"sqlite:///{tmp_path}/data/queue.db?sync=normal"


def test_an_absolute_file_in_the_settings_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.delenv("PULPO_URL", raising=False)
    (tmp_path / "pulpo.toml").write_text('url = "sqlite:////var/lib/queue.db"')
    monkeypatch.chdir(tmp_path)

    assert find_url(None).url == "sqlite:////var/lib/queue.db"
