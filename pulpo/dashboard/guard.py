"""The gate before every page: host, headers, who it is, and whether a change was meant.

An allow list: what is not known to be harmless is answered here and reaches no page. The
decisions are those of `pulpo.dashboard.access`.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pulpo.dashboard.access import Access, Hosts, Role, Tries, is_same_origin
from pulpo.dashboard.forms import FormTooLargeError, read_form
from pulpo.dashboard.rendering import Pages
from pulpo.errors import UsageError

__all__ = ["Auth", "Guard"]

Auth: TypeAlias = Callable[[Request], object | Awaitable[object]]

_log = logging.getLogger(__name__)

# The policy allows no script and no style but our own files, and nobody to frame us. Not
# `no-referrer`: under it browsers send `Origin: null` with our own forms.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}
_A_MONTH = 30 * 86_400


class Guard:
    """ASGI middleware; `hosts` is None where the app around it answers for its names."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        pages: Pages,
        access: Access,
        hosts: Hosts | None = None,
        auth: Auth | None = None,
        read_only: bool = False,
    ) -> None:
        self._app = app
        self._pages = pages
        self._access = access
        self._hosts = hosts
        self._auth = auth
        self._read_only = read_only
        self._tries = Tries()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, _with_headers(scope, send))
        else:  # there is no websocket here, from whatever origin
            await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer = await self._refusal(request)
        except ClientDisconnect:
            return
        if answer is None:
            await self._app(scope, receive, send)
        else:
            await answer(scope, receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        """Return the answer where a request gets no further; None lets it in."""
        if self._hosts is not None and not self._hosts.has(request.headers.get("host", "")):
            return PlainTextResponse("this dashboard does not go by that name\n", 421)
        if request.method not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("GET, HEAD or POST\n", 405, {"Allow": "GET, HEAD, POST"})
        path = _own_path(request)
        if path.startswith("/static/") or path == "/robots.txt":
            return None
        if self._auth is None and path == "/" and "token" in request.query_params:
            return self._log_in(request)
        role = await self._role(request)
        if isinstance(role, Response):
            return role
        request.state.role = role
        request.state.csrf = self._access.csrf if self._may_act(role) else ""
        # With read_only there is nothing to guard: no route takes a POST.
        acts = request.method == "POST" and not self._read_only
        return await self._check_change(request, role) if acts else None

    def _may_act(self, role: Role) -> bool:
        return role is Role.ADMIN and not self._read_only

    def _log_in(self, request: Request) -> Response:
        """Take the token out of the address, for a cookie."""
        if (refused := self._refuse_token(request, request.query_params["token"])) is not None:
            return refused
        root = request.scope.get("root_path", "")
        answer = RedirectResponse(f"{root}/", 303)
        answer.set_cookie(
            self._access.cookie,
            self._access.session,
            max_age=_A_MONTH,
            path=f"{root}/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    def _refuse_token(self, request: Request, token: str) -> Response | None:
        address, now = request.client.host if request.client else "", time.monotonic()
        if self._tries.are_spent(address, now):
            return self._pages.refusal(request, 429, "too many wrong tokens; wait a minute")
        if self._access.is_token(token):
            return None
        self._tries.add(address, now)
        return self._pages.refusal(request, 401, "that is not the token of this dashboard")

    async def _role(self, request: Request) -> Role | Response:
        if self._auth is not None:
            found = self._auth(request)
            role = _role_of(await found if inspect.isawaitable(found) else found)
            return role or self._pages.refusal(request, 401, "you are not let in here")
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._refuse_token(request, bearer.strip()) or Role.ADMIN
        if self._access.is_session(request.cookies.get(self._access.cookie, "")):
            return Role.ADMIN
        return self._pages.refusal(
            request, 401, "open the address that `pulpo dashboard` has printed, with its token"
        )

    async def _check_change(self, request: Request, role: Role) -> Response | None:
        headers = request.headers
        if not self._may_act(role):
            return self._pages.refusal(request, 403, "you may look here, and change nothing")
        if not is_same_origin(
            site=headers.get("sec-fetch-site"),
            origin=headers.get("origin"),
            host=headers.get("host", ""),
        ):
            return self._pages.refusal(request, 403, "that came from another site")
        try:
            form = await read_form(headers.get("content-type", ""), request.stream())
        except FormTooLargeError as error:
            return self._pages.refusal(request, 413, str(error))
        except UsageError as error:
            return self._pages.refusal(request, 400, str(error))
        if not self._access.is_csrf(form.get("csrf", "")):
            return self._pages.refusal(
                request, 403, "the form is not of this dashboard, or of an earlier start of it"
            )
        request.state.form = form
        return None


def _role_of(found: object) -> Role | None:
    if not found:
        return None
    if found in ("admin", True):
        return Role.ADMIN
    if found == "viewer":
        return Role.VIEWER
    # A wrong answer lets nobody in: a role with a typo must not be an admin.
    _log.error("auth must return 'admin', 'viewer' or None, not %r", type(found).__name__)
    return None


def _own_path(request: Request) -> str:
    root = request.scope.get("root_path", "")
    path: str = request.scope["path"]
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _with_headers(scope: Scope, send: Send) -> Send:
    is_static = scope["path"].rpartition("/static/")[1] != ""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers["Cache-Control"] = "no-cache" if is_static else "no-store"
        await send(message)

    return sent
