"""What the shop keeps."""

from __future__ import annotations

from django.db import models


class Person(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "shop"

    def __str__(self) -> str:
        return str(self.name)
