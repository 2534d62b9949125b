"""Flask: the queue's URL out of the application's config, and jobs that run in its context.

    pulpo_of_flask = Pulpo()

    def create_app() -> Flask:
        app = Flask(__name__)
        app.config["PULPO_URL"] = "sqlite:///queue.db"
        pulpo_of_flask.init_app(app)
        return app

Needs the extra `flask`.
"""

from __future__ import annotations

from collections.abc import Generator

from flask import Flask

import pulpo

__all__ = ["Pulpo"]


class Pulpo:
    """Ties a Flask application to pulpo; with one given it is initialised at once.

    `uses` is the app behind `pulpo.job`, if it is not said. Where several applications are
    initialised in one process, the last one counts.
    """

    def __init__(self, app: Flask | None = None, *, uses: pulpo.Pulpo | None = None) -> None:
        self._uses = uses or pulpo.default_app()
        self._flask: Flask | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Use the queue of `app.config["PULPO_URL"]`, if it has one; run jobs in its context.

        Raises `UsageError` for a URL that no engine knows.
        """
        url = app.config.get("PULPO_URL")
        if url is not None:
            try:
                self._uses.configure(url=url)
            except pulpo.UsageError as error:
                raise pulpo.ConfigurationError(f"PULPO_URL in app.config: {error}") from None
        self._flask = app
        app.extensions["pulpo"] = self
        self._uses.around("run", self._in_context)

    def _in_context(self, _: pulpo.Run) -> Generator[None, object, None]:
        if self._flask is None:  # not initialised, and so never registered
            yield
            return
        with self._flask.app_context():
            yield
