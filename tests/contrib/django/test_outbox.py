"""The outbox of a Django project, on its real database."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

import pulpo
from pulpo.clock import SystemClock
from pulpo.contrib.outbox import Relayed, relay
from pulpo.contrib.outbox.django import outbox
from pulpo.contrib.outbox.django.models import OutboxJob
from pulpo.contrib.outbox.django.reading import DjangoRows
from tests.contrib.django.shop.models import Person
from tests.contrib.django.shop.tasks import DONE, plain


def relayed() -> Relayed:
    sender = pulpo.default_app().sender
    return relay(DjangoRows("default"), sender, SystemClock(), seconds=30)


def queued() -> list[Any]:
    app = pulpo.default_app()
    with closing(app.engine.admin()) as admin:
        found = admin.list(limit=1000)
    return [(job.id, app.codec.decode(job.body).body) for job in found]


def test_a_committed_row_becomes_a_job_with_the_same_id() -> None:
    with transaction.atomic():
        Person.objects.create(name="Ada")
        ref = outbox.publish(plain, 7)
    assert queued() == []
    (row,) = OutboxJob.objects.all()
    assert (row.job_id, row.type, str(row)) == (ref.id, "shop.plain", f"shop.plain {ref.id}")

    assert relayed() == Relayed(count=1)
    assert queued() == [(ref.id, {"number": 7})]
    assert OutboxJob.objects.count() == 0


def test_a_row_that_is_rolled_back_is_never_published() -> None:
    with transaction.atomic():
        outbox.publish(plain, 1)
        transaction.set_rollback(True)
    assert relayed() == Relayed()


def test_rows_are_relayed_in_order() -> None:
    with transaction.atomic():
        ids = [outbox.publish(plain, number).id for number in range(250)]

    assert relayed() == Relayed(count=250)
    assert [found for found, _ in queued()] == ids


def test_a_wrong_call_fails_at_the_call_and_adds_no_row() -> None:
    with pytest.raises(TypeError, match="plain"):
        outbox.publish(plain)  # type: ignore[call-arg]
    with pytest.raises(pulpo.JobTooBigError, match="outbox"):
        outbox.publish(plain, "x" * 70_000)  # type: ignore[arg-type]

    assert OutboxJob.objects.count() == 0


def test_async_code_adds_a_row() -> None:
    ref = asyncio.run(outbox.apublish(pulpo.Message(type="mail", body=1)))
    relayed()

    assert queued() == [(ref.id, 1)]


def test_a_refused_row_is_counted_and_tried_again() -> None:
    outbox.publish(plain, 1)
    OutboxJob.objects.update(message=b"\xff")

    assert relayed() == Relayed(refused=1)
    rows = DjangoRows("default")
    seen = rows.waiting()
    assert (seen.jobs, seen.oldest, seen.refused) == (0, None, 1)
    assert OutboxJob.objects.get().refused.startswith("DecodeError")
    assert rows.again() == 1
    seen = rows.waiting()
    assert (seen.jobs, seen.refused) == (1, 0)
    assert seen.oldest is not None
    assert 0 <= seen.oldest < 60


def test_rows_that_another_relay_works_on_are_left_to_it() -> None:
    outbox.publish(plain, 1)
    rows = DjangoRows("default")
    with rows.flight(10) as flight:
        assert len(flight.rows) == 1
        found: list[Any] = []

        def other() -> None:
            mine = DjangoRows("default")
            with mine.flight(10) as second:
                found.append(list(second.rows))
            mine.close()

        import threading

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert found == [[]]
    assert OutboxJob.objects.count() == 1


def test_a_worker_of_the_project_relays_by_itself() -> None:
    with transaction.atomic():
        for number in range(5):
            outbox.publish(plain, number)
    connection.close()

    assert pulpo.run_worker(burst=True)
    assert sorted(map(int, DONE)) == [0, 1, 2, 3, 4]  # type: ignore[arg-type]
    assert Person.objects.count() == 5


def test_the_migration_is_that_of_the_model() -> None:
    call_command("makemigrations", "pulpo_outbox", check=True, dry_run=True, verbosity=0)
