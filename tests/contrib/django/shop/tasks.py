"""The tasks of the shop."""

from __future__ import annotations

import asyncio
import os
import threading

import django

import pulpo

from .models import Person

if django.VERSION >= (6,):
    from django.tasks import task
else:
    from django_tasks import task

DONE: list[object] = []


@task
def add(one, other=0):
    DONE.append(one)
    return one + other


@task(queue_name="mail", priority=10)
def greet(name):
    DONE.append(name)
    return {"greeted": [name]}


@task
async def add_slowly(one, other):
    await asyncio.sleep(0)
    return one + other


@task
async def count_persons():
    return await Person.objects.acount()


@task(takes_context=True)
def attempt(context, until):
    """Fail until the given attempt."""
    if context.attempt < until:
        raise LookupError(f"attempt {context.attempt}")
    return [context.attempt, context.task_result.id]


@task(takes_context=True)
async def attempt_slowly(context, until):
    if context.attempt < until:
        raise LookupError(f"attempt {context.attempt}")
    return context.attempt


@task(retries=1)
def fail():
    raise ValueError("never works")


@task
def give_up():
    raise pulpo.FatalError("in vain")


@task
def odd():
    return object()


@task
def huge():
    return "x" * 2_000_000


@task
def die():
    os._exit(9)


@task
def thread():
    return threading.current_thread().name


@task(backend="at_once")
def now(one):
    DONE.append(one)
    return one


@task(backend="outbox")
def sure(one):
    DONE.append(one)
    return one


@pulpo.job(type="shop.plain", queue="plain")
def plain(number: int) -> None:
    DONE.append(number)
    Person.objects.create(name=f"plain {number}")
