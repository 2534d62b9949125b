"""The settings of a small Django project; the database and the folder come from the environment."""

from __future__ import annotations

import os
from pathlib import Path

import django

FOLDER = Path(os.environ["SHOP_FOLDER"])
SECRET_KEY = "only for tests"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "shop.db"}}
if "SHOP_PORT" in os.environ:
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "test",
        "HOST": "127.0.0.1",
        "PORT": os.environ["SHOP_PORT"],
    }
INSTALLED_APPS = [
    "pulpo.contrib.django",
    "pulpo.contrib.outbox.django",
    "tests.contrib.django.shop",
]
if django.VERSION < (6,):
    INSTALLED_APPS.append("django_tasks")
BACKEND = "pulpo.contrib.django.PulpoBackend"
TASKS = {
    "default": {"BACKEND": BACKEND, "QUEUES": ["default", "mail"], "OPTIONS": {"backoff": 0}},
    "at_once": {"BACKEND": BACKEND, "QUEUES": [], "OPTIONS": {"on_commit": False, "retries": 0}},
    "outbox": {"BACKEND": BACKEND, "QUEUES": [], "OPTIONS": {"outbox": True}},
}
