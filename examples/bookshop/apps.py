"""The name of the app."""

from __future__ import annotations

from django.apps import AppConfig


class BookshopConfig(AppConfig):
    """The bookshop."""

    name = "examples.bookshop"
    label = "bookshop"
