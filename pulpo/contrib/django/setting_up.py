"""What pulpo does at the start of each process of a Django project.

The setting `PULPO_URL` says which queue it uses; without it that is found as everywhere. Around
each run, connections to databases that are broken or too old are closed, as Django does around a
request.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import close_old_connections

import pulpo
from pulpo import default_app

__all__ = ["set_up"]


def set_up() -> None:
    """Prepare the app of `pulpo.job`; twice is once."""
    app = default_app()
    url = getattr(settings, "PULPO_URL", None)
    if url is not None:
        try:
            app.configure(url=url)
        except pulpo.UsageError as error:
            raise ImproperlyConfigured(f"PULPO_URL: {error}") from None
    app.around("run", _with_fresh_connections)


def _with_fresh_connections(run: pulpo.Run) -> Iterator[None]:
    # Those of a coroutine's database calls belong to another thread: see `running`.
    if run.job_type.is_async:
        yield
        return
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()
