"""A browser without a screen: calls an ASGI application, keeps cookies, finds forms in pages.

Sends exactly the headers that a test says, so that it can be an attacker too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

HOST = "127.0.0.1:8450"


@dataclass(frozen=True)
class Form:
    """One form of a page."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    text: str

    def header(self, name: str) -> str:
        """Return one header, empty where it was not sent."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def forms(self) -> list[Form]:
        """The forms of the page."""
        reader = _Forms()
        reader.feed(self.text)
        return reader.found

    def form(self, ending: str) -> Form:
        """Return the first form whose action ends so."""
        return next(form for form in self.forms if form.action.endswith(ending))


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(said.get("action", ""), said.get("method", "get")))
        elif tag == "input" and self.found:
            self.found[-1].fields[said.get("name", "")] = said.get("value", "")
        elif tag == "textarea" and self.found:
            self._area = said["name"]
            self.found[-1].fields[self._area] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.found[-1].fields[self._area] += data


class Caller:
    """One visitor of an application."""

    def __init__(self, app: Any, *, host: str = HOST, address: str = "127.0.0.1") -> None:
        self._app = app
        self._host = host
        self._address = address
        self.cookies: dict[str, str] = {}

    def get(self, target: str, **headers: str) -> Answer:
        """Ask for a page; a header's name is written with `_` for `-`."""
        return self.call("GET", target, headers=headers)

    def post(self, target: str, fields: Mapping[str, str], **headers: str) -> Answer:
        """Send a form as our own pages do, apart from the headers that are given."""
        own = {
            "content-type": "application/x-www-form-urlencoded",
            "origin": f"http://{self._host}",
            "sec-fetch-site": "same-origin",
        }
        return self.call("POST", target, body=urlencode(fields).encode(), headers=own | headers)

    def send(self, form: Form, **fields: str) -> Answer:
        """Send a form of a page, with some of its fields changed."""
        return self.post(form.action, {**form.fields, **fields})

    def call(
        self, method: str, target: str, *, body: bytes = b"", headers: Mapping[str, str] = {}
    ) -> Answer:
        """Send any request."""
        parts = urlsplit(target)
        named = {"host": self._host}
        if self.cookies:
            named["cookie"] = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        named |= {name.replace("_", "-").lower(): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(k.encode(), v.encode("latin-1")) for k, v in named.items()],
            "client": (self._address, 50_000),
            "server": ("127.0.0.1", 8450),
        }
        answer = asyncio.run(_answer(self._app, scope, body))
        for value in (value for name, value in answer.headers if name == "set-cookie"):
            for cookie in SimpleCookie(value).values():
                self.cookies[cookie.key] = cookie.value
        return answer


async def _answer(app: Any, scope: dict[str, Any], body: bytes) -> Answer:
    came: list[dict[str, Any]] = []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        came.append(message)

    await app(scope, receive, send)
    start, *rest = came
    return Answer(
        start["status"],
        [(k.decode().lower(), v.decode("latin-1")) for k, v in start["headers"]],
        b"".join(message.get("body", b"") for message in rest).decode("utf-8", "replace"),
    )
