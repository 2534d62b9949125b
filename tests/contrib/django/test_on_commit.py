"""Jobs published at the commit of Django's transactions."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from django.db import connection, transaction

import pulpo
from tests.contrib.django.shop.models import Person
from tests.contrib.django.shop.tasks import plain


def queued() -> list[Any]:
    app = pulpo.default_app()
    return [app.codec.decode(job.body).body for job in listed()]


def listed() -> list[Any]:
    with closing(pulpo.default_app().engine.admin()) as admin:
        return list(admin.list())


def test_a_job_is_published_when_the_transaction_commits() -> None:
    with transaction.atomic():
        Person.objects.create(name="Ada")
        ref = pulpo.on_commit(plain, 7)
        assert queued() == []

    assert queued() == [{"number": 7}]
    assert [job.id for job in listed()] == [ref.id]


def test_nothing_is_published_when_it_rolls_back() -> None:
    def fail() -> None:
        with transaction.atomic():
            Person.objects.create(name="Ada")
            pulpo.on_commit(plain, 7)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert queued() == []
    assert Person.objects.count() == 0


def test_a_savepoint_takes_its_jobs_with_it() -> None:
    with transaction.atomic():
        pulpo.on_commit(plain, 1)
        with transaction.atomic():
            pulpo.on_commit(plain, 2)
            with transaction.atomic():
                pulpo.on_commit(plain, 3)
                transaction.set_rollback(True)
        pulpo.on_commit(pulpo.Message(type="mail", body={"number": 4}))

    assert [body["number"] for body in queued()] == [1, 2, 4]


def test_without_a_transaction_it_is_published_at_once() -> None:
    pulpo.on_commit(plain, 7)

    assert queued() == [{"number": 7}]


def test_a_database_is_named_by_its_alias() -> None:
    with transaction.atomic():
        pulpo.on_commit("default", plain, 7)
        assert queued() == []
    assert queued() == [{"number": 7}]

    with pytest.raises(Exception, match="nowhere"):
        pulpo.on_commit("nowhere", plain, 7)


def test_a_wrong_call_fails_at_the_call() -> None:
    with transaction.atomic():
        with pytest.raises(TypeError, match="plain"):
            pulpo.on_commit(plain)  # type: ignore[call-overload]
        with pytest.raises(pulpo.EncodeError):
            pulpo.on_commit(plain, object())  # type: ignore[arg-type]
        with pytest.raises(pulpo.JobTooBigError):
            pulpo.on_commit(plain, "x" * 20_000_000)  # type: ignore[arg-type]

    assert queued() == []


def test_a_put_that_fails_is_raised_by_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(jobs: object) -> None:
        raise pulpo.QueueUnavailableError("out of reach")

    adapter = pulpo.default_app().sender.connections().adapter()
    monkeypatch.setattr(adapter, "put", refuse)

    def buy() -> None:
        with transaction.atomic():
            Person.objects.create(name="Ada")
            pulpo.on_commit(plain, 7)

    with pytest.raises(pulpo.QueueUnavailableError) as caught:
        buy()
    assert "committed" in caught.value.__notes__[0]
    assert Person.objects.count() == 1
    assert not connection.in_atomic_block
