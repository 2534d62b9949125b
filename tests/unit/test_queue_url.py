"""URLs of queues, taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulpo.configuration import FoundURL, Settings
from pulpo.errors import UsageError, WrongTypeError
from pulpo.queue_url import QueueURL, mask


def test_a_url_is_taken_apart():
    url = QueueURL.parse("beanstalkds://me:pa%40ss@queue.example:11301/x?timeout=5&sync=full")

    assert (url.scheme, url.host, url.port) == ("beanstalkds", "queue.example", 11301)
    assert (url.username, url.password, url.path) == ("me", "pa@ss", "/x")
    assert url.options == {"timeout": "5", "sync": "full"}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///relative.db", "/relative.db"),
        ("sqlite:////absolute.db", "//absolute.db"),
        ("sqlite:///with%20space.db", "/with space.db"),
        ("beanstalkd+unix:///run/b.sock", "/run/b.sock"),
        ("memory://", ""),
    ],
)
def test_a_path_keeps_its_slashes(text, path):
    assert QueueURL.parse(text).path == path


@pytest.mark.parametrize(
    "text",
    ["", "queue.db", "sqlite:queue.db", "://x", "a://h:port", "a://h:99999", "a://h?x", "a://h#f",
     "a://h?x=1&x=2", "a://[::1"],
)  # fmt: skip
def test_text_that_is_no_url_is_refused(text):
    with pytest.raises(UsageError, match="a queue's URL"):
        QueueURL.parse(text)


@pytest.mark.parametrize("value", [None, 7, b"sqlite:///x"])
def test_a_url_is_text(value):
    with pytest.raises(WrongTypeError, match="a queue's URL must be text"):
        QueueURL.parse(value)


@given(st.text())
def test_any_text_is_a_url_or_a_usage_error(text):
    for url in (text, f"sqlite://{text}", f"a://h/?{text}"):
        try:
            QueueURL.parse(url)
        except UsageError:
            pass


def test_an_unknown_option_is_named_with_the_known_ones():
    url = QueueURL.parse("sqlite:///x?snyc=normal")

    with pytest.raises(UsageError, match="sqlite knows no option 'snyc'; it knows: busy, sync"):
        url.only(["sync", "busy"])


def test_an_option_is_one_of_its_choices_or_in_its_range():
    url = QueueURL.parse("sqlite:///x?sync=normal&busy=5")

    assert url.choice("sync", ("full", "normal"), "full") == "normal"
    assert url.choice("mode", ("a", "b"), "a") == "a"
    assert url.whole("busy", 1, least=1, most=10) == 5
    assert url.whole("other", 3, least=1, most=10) == 3
    with pytest.raises(UsageError, match="option 'sync' must be full or off: 'normal'"):
        url.choice("sync", ("off", "full"), "full")
    with pytest.raises(UsageError, match="option 'busy' must be 6 to 10: '5'"):
        url.whole("busy", 6, least=6, most=10)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a://me:secret@h/x", "a://me:***@h/x"),
        ("a://h?token=abc&sync=full", "a://h?token=***&sync=full"),
        ("a://h?x=1&Password=abc", "a://h?x=1&Password=***"),
        ("a://h/x", "a://h/x"),
        ("a://me:p@ss@h/x", "a://me:***@h/x"),
        ("a://me:p/ss@h/x", "a://me:***@h/x"),
        ("a://:secret@h", "a://:***@h"),
    ],
)
def test_secrets_are_not_shown(text, shown):
    assert mask(text) == shown


def test_an_error_does_not_show_a_secret():
    with pytest.raises(UsageError) as caught:
        QueueURL.parse("a://me:secret@h:port")
    assert "secret" not in str(caught.value)


def test_a_url_shows_no_secret_where_it_is_printed_as_a_value():
    url = QueueURL.parse("beanstalkds://me:hunter2@host:1?password=hunter2&token=hunter2")

    for shown in (url, url.without(["token"]), FoundURL(url.text), Settings(url=url.text)):
        assert "hunter2" not in repr(shown)
        assert "hunter2" not in f"{shown}"
