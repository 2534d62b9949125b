"""Values as pages: the templates, and what text goes through on its way into them.

Every text is made printable and escaped here, for all templates at once: nothing of a payload is
ever markup. Knows no queue.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from urllib.parse import quote

import jinja2
from jinja2.bccache import Bucket
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pulpo.dashboard.said import sentence
from pulpo.dashboard.verbs import can
from pulpo.duration import as_text
from pulpo.printable import escape
from pulpo.view import as_json

__all__ = ["Pages", "json_text", "quoted"]

_FOLDER = Path(__file__).parent
# Of a payload, in characters: a page stays one that a browser can show.
LONGEST_TEXT = 65_536


class _Compiled(jinja2.BytecodeCache):
    """What was compiled once is so for every dashboard of this process."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


@cache
def _compiled() -> _Compiled:
    return _Compiled()


class Pages:
    """The templates of one dashboard; any thread."""

    def __init__(self, *, shown_url: str, read_only: bool) -> None:
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
            bytecode_cache=_compiled(),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=_printable,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            span=_span,
            when=_when,
            iso=_iso,
            json=json_text,
            shown=_shown,
            part=quoted,
        )
        for name in self._templates.list_templates():
            self._templates.get_template(name)  # now, and not while somebody waits for a page
        self._templates.globals.update(shown_url=shown_url, read_only=read_only, can=can)

    def page(
        self, request: Request, name: str, status: int = 200, **values: object
    ) -> HTMLResponse:
        """Return a page for a request that was let in."""
        may_act = bool(getattr(request.state, "csrf", ""))
        said = sentence(request.query_params.get("said", ""), request.query_params.get("n", ""))
        text = self._templates.get_template(name).render(
            root=quote(request.scope.get("root_path", "")),
            here=_here(request),
            csrf=request.state.csrf if may_act else "",
            may_act=may_act,
            said=said,
            **values,
        )
        return HTMLResponse(text, status)

    def refusal(self, request: Request, status: int, reason: str) -> Response:
        """Return a page for somebody who gets no further; it shows nothing of the queue."""
        text = self._templates.get_template("refused.html").render(
            root=quote(request.scope.get("root_path", "")), status=status, reason=reason
        )
        return HTMLResponse(text, status)


def _here(request: Request) -> str:
    """Return the address of this page for asking for it again, without what was said in it."""
    kept = [
        f"{quote(key)}={quote(value)}"
        for key, value in request.query_params.multi_items()
        if key not in ("said", "n")
    ]
    path = quote(request.scope["path"], safe="/%")
    return path + ("?" + "&".join(kept) if kept else "")


def _printable(value: object) -> object:
    # Markup is a subclass of str: what a macro made is left alone.
    return escape(value, keep="\n\t") if type(value) is str else value


def json_text(value: object) -> str:
    """Return a value as indented JSON that reads well and loads as the same value.

    What does not print stands as its escape in JSON.
    """
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    text = json.dumps(as_json(value), ensure_ascii=False, indent=2)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def _shown(value: object) -> str:
    """Return a value as JSON, of a very long one the beginning."""
    text = json_text(value)
    cut = f"\n… ({len(text):,} characters)"
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + cut


def _span(value: float | None) -> str:
    """Return seconds as a reader says them: `4s`, `9m`, `3d 2h`."""
    if value is None:
        return "?"
    return "0s" if value < 0.001 else as_text(value if value < 10 else round(value))


def _moment(value: float) -> datetime:
    return datetime.fromtimestamp(value, UTC)


def _when(value: float) -> str:
    return _moment(value).strftime("%Y-%m-%d %H:%M:%S UTC")


def _iso(value: float) -> str:
    return _moment(value).isoformat(timespec="seconds")


def quoted(text: str) -> str:
    """Return text as one part of an address, whatever is in it."""
    return quote(text, safe="")
