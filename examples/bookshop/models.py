"""What the bookshop keeps."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    """Copies of a book that somebody wants."""

    book = models.CharField(max_length=100)
    copies = models.PositiveIntegerField()
    is_packed = models.BooleanField(default=False)

    class Meta:
        """Where it belongs."""

        app_label = "bookshop"

    def __str__(self) -> str:
        return f"{self.copies} x {self.book}"
