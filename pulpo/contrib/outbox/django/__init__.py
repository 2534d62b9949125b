"""The outbox of a Django project: a model, written in the transaction of the caller.

    INSTALLED_APPS = [..., "pulpo.contrib.outbox.django"]       # and migrate

    from pulpo.contrib.outbox.django import outbox

    with transaction.atomic():
        user = User.objects.create(...)
        outbox.publish(welcome, user.pk)

Needs the extra `django`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulpo.contrib.outbox.django.publishing import Outbox

    outbox: Outbox

__all__ = ["Outbox", "outbox"]

if not TYPE_CHECKING:  # a type checker would believe that every name is here
    # Django imports this package before its models may be imported.
    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from pulpo.contrib.outbox.django import publishing  # noqa: PLC0415  # see above

        return getattr(publishing, name)
