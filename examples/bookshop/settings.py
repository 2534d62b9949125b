"""The settings of the bookshop."""

from __future__ import annotations

import os
from pathlib import Path

import django

OUT = Path(os.environ.get("EXAMPLES_OUT", "out"), "bookshop").absolute()
OUT.mkdir(parents=True, exist_ok=True)

SECRET_KEY = "an example has no secrets"
DEBUG = True
USE_TZ = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "examples.bookshop.views"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": OUT / "shop.db"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "pulpo.contrib.django",
    "pulpo.contrib.outbox.django",
    "examples.bookshop.apps.BookshopConfig",
]
if django.VERSION < (6,):
    INSTALLED_APPS.append("django_tasks")
TASKS = {
    "default": {
        "BACKEND": "pulpo.contrib.django.PulpoBackend",
        "QUEUES": ["bookshop"],
        "OPTIONS": {"retries": 3},
    }
}
