"""What of a job is not shown."""

from __future__ import annotations

import pytest

from pulpo.errors import UsageError
from pulpo.redaction import DEFAULT, HIDDEN, Redaction, check_patterns
from pulpo.view import ShownJob

SECRET = "hunter2-of-the-test"


def a_job(body: object, **changes: object) -> ShownJob:
    fields: dict[str, object] = {
        "id": "x",
        "queue": "mail",
        "state": "buried",
        "type": "mail.welcome",
        "priority": 1,
        "attempt": 2,
        "body": body,
        "headers": {},
        **changes,
    }
    return ShownJob(**fields)  # type: ignore[arg-type]  # of a test's own making


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "Password",
        "db_password",
        "client-secret",
        "access_token",
        "accessToken",
        "X-Api-Key",
        "apiKey",
        "authorization",
        "Cookie",
        "ssh_private_key",
    ],
)
def test_names_that_say_that_they_are_secret_are_hidden_unasked(name: str) -> None:
    assert DEFAULT.value({name: SECRET}) == {name: HIDDEN}


@pytest.mark.parametrize("name", ["user_id", "tokens", "token_count", "secretary", "to", 7, None])
def test_other_names_are_not(name: object) -> None:
    assert DEFAULT.value({name: SECRET}) == {name: SECRET}


def test_a_secret_is_hidden_at_any_depth_and_all_of_it() -> None:
    body = {"users": [{"name": "ada", "password": {"old": SECRET, "new": [SECRET]}}]}

    assert DEFAULT.value(body) == {"users": [{"name": "ada", "password": HIDDEN}]}


def test_ones_own_names_take_the_place_of_the_usual_ones() -> None:
    hidden = Redaction(("iban", "card*"))

    body = {"IBAN": SECRET, "card_number": SECRET, "cards": [SECRET], "password": "shown"}

    assert hidden.value(body) == {
        "IBAN": HIDDEN,
        "card_number": HIDDEN,
        "cards": HIDDEN,
        "password": "shown",
    }


def test_what_is_hidden_in_a_body_is_hidden_in_the_errors_of_its_job() -> None:
    job = a_job(
        {"password": SECRET, "pin_token": 123_456, "user": "ada"},
        headers={"authorization": f"Bearer {SECRET}"},
        error=f"Traceback\nLoginError: ada {SECRET!r} 123456",
        earlier=(f"LoginError: Bearer {SECRET}",),
        problem=f"odd {SECRET}",
    )

    shown = DEFAULT.job(job)

    assert shown.error == f"Traceback\nLoginError: ada '{HIDDEN}' {HIDDEN}"
    assert shown.earlier == (f"LoginError: {HIDDEN}",)
    assert shown.problem == f"odd {HIDDEN}"
    assert SECRET not in repr(shown)
    assert shown.headers == {"authorization": HIDDEN}


def test_a_secret_is_found_in_a_text_as_python_quotes_it() -> None:
    body = {"password": "a\nb\\c"}

    assert DEFAULT.text(repr("a\nb\\c"), body) == f"'{HIDDEN}'"


def test_a_short_value_is_not_cut_out_of_every_text() -> None:
    assert DEFAULT.text("attempt 7 of 17", {"token": 7, "password": ""}) == "attempt 7 of 17"


def test_bytes_that_are_no_job_are_hidden_where_a_secret_may_be_in_them() -> None:
    odd = b'{"type": "x", "body": {"Client-Secret": "' + SECRET.encode()

    assert DEFAULT.job(a_job(odd)).body == f"{HIDDEN} ({len(odd)} bytes)".encode()
    assert DEFAULT.job(a_job(b"\xffodd")).body == b"\xffodd"


def test_nothing_is_hidden_where_no_name_is_given() -> None:
    job = a_job({"password": SECRET}, error=SECRET)

    assert Redaction(()).job(job) is job


def test_an_edited_body_keeps_what_was_hidden() -> None:
    old = {"user": 7, "password": SECRET, "more": [{"token": "t1"}, {"token": "t2"}]}

    new = {"user": 8, "password": HIDDEN, "more": [{"token": HIDDEN}, {"token": "new"}]}

    assert DEFAULT.restored(new, old) == {
        "user": 8,
        "password": SECRET,
        "more": [{"token": "t1"}, {"token": "new"}],
    }


@pytest.mark.parametrize("old", [{"user": 7}, [], None, {"password": {}}])
def test_a_mark_where_nothing_was_is_refused(old: object) -> None:
    new = {"password": {"token": HIDDEN}} if old == {"password": {}} else {"password": HIDDEN}

    with pytest.raises(UsageError, match="there is none under"):
        DEFAULT.restored(new, old)


def test_a_mark_under_another_name_is_a_text_like_any_other() -> None:
    assert DEFAULT.restored({"note": HIDDEN}, {}) == {"note": HIDDEN}


@pytest.mark.parametrize("patterns", ["password", [""], [" "], [7], {"password": 1}])
def test_patterns_are_a_list_of_names(patterns: object) -> None:
    with pytest.raises(UsageError, match="redact must be a list of names"):
        check_patterns(patterns)
