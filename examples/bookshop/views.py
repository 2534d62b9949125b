"""Orders over HTTP."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from examples.bookshop.models import Order
from examples.bookshop.tasks import invoice, pack
from pulpo.contrib.outbox.django import outbox

IN_STOCK = 10


@csrf_exempt
def order(request: HttpRequest) -> JsonResponse:
    """POST /orders: keep the order with all that is to be done for it, or nothing."""
    with transaction.atomic():
        new = Order.objects.create(book=request.POST["book"], copies=int(request.POST["copies"]))
        result = invoice.enqueue(new.pk)
        outbox.publish(pack, new.pk)
        if new.copies > IN_STOCK:
            transaction.set_rollback(True)
            return JsonResponse({"error": f"there are {IN_STOCK}"}, status=409)
    return JsonResponse({"order": new.pk, "invoice": result.id}, status=202)


def show(_: HttpRequest, pk: int) -> JsonResponse:
    """GET /orders/ID: whether it is packed."""
    found = Order.objects.get(pk=pk)
    return JsonResponse({"order": str(found), "packed": found.is_packed})


def result(_: HttpRequest, id: str) -> JsonResponse:
    """GET /results/ID: the invoice, as soon as there is one."""
    found = invoice.get_result(id)
    value = found.return_value if found.status == "SUCCESSFUL" else None
    return JsonResponse({"status": found.status, "invoice": value})


urlpatterns = [
    path("orders", order),
    path("orders/<int:pk>", show),
    path("results/<str:id>", result),
]
