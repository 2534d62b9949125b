"""To be loaded by a worker: sets Django up, and imports the `tasks` modules of its apps.

    pulpo worker pulpo.contrib.django.worker

`DJANGO_SETTINGS_MODULE` says which project; `manage.py pulpo_worker` does so itself.
"""

from __future__ import annotations

import django
from django.apps import apps
from django.utils.module_loading import autodiscover_modules

from pulpo.contrib.django.setting_up import set_up

__all__: list[str] = []

if not apps.ready:
    django.setup()
set_up()
autodiscover_modules("tasks")
