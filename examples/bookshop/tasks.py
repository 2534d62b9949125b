"""What the bookshop does beside its requests: invoices, and parcels."""

from __future__ import annotations

import django

import pulpo
from examples.bookshop.models import Order

if django.VERSION >= (6,):
    from django.tasks import task
else:
    from django_tasks import task

PRICES = {"SICP": 4500, "TAOCP": 19900}


@task(queue_name="bookshop", priority=10)
def invoice(order_id: int) -> dict[str, object]:
    """Say what an order costs; the order is there, since this runs after its commit."""
    order = Order.objects.get(pk=order_id)
    cents = PRICES[order.book] * order.copies
    return {"order": str(order), "total": f"{cents / 100:.2f}"}


@pulpo.job(type="bookshop.pack", queue="bookshop")
def pack(order_id: int) -> None:
    """Pack an order, once."""
    Order.objects.filter(pk=order_id, is_packed=False).update(is_packed=True)
