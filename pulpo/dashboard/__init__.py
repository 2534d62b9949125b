"""The operator's seat in a browser: every job, why it waits, and what can be done about it.

    from pulpo.dashboard import create_app

    app.mount("/pulpo", create_app(auth=who_may))

Pages are made on the server and work without a script. Needs the extra `dashboard`.
"""

from __future__ import annotations

try:
    import jinja2 as _jinja2
    import starlette as _starlette
except ImportError as error:
    raise ImportError(
        "the dashboard needs its extra: pip install 'pulpo-messaging[dashboard]'"
    ) from error

from pulpo.dashboard.app import create_app

del _jinja2, _starlette

__all__ = ["create_app"]
