"""Who may come in, and whether a change was meant: decisions over what a request says.

Pure apart from the clock that is handed in. Everything secret is derived from one token, so that
all processes with the same token agree. Knows no page.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict, deque
from collections.abc import Collection
from enum import Enum
from urllib.parse import urlsplit

from pulpo.errors import UsageError

__all__ = ["Access", "Hosts", "Role", "Tries", "is_loopback", "is_same_origin", "new_token"]

# Of one address within a minute.
_MOST_TRIES = 10
_PERIOD = 60.0
_MOST_ADDRESSES = 1_000


class Role(Enum):
    """What somebody may do."""

    ADMIN = "admin"
    VIEWER = "viewer"


def new_token() -> str:
    """Return a token that nobody guesses: 256 random bits."""
    return secrets.token_urlsafe(32)


class Access:
    """The token, and what is derived from it: the cookie and the mark of our own forms.

    The cookie does not hold the token. Its name is the token's own too, since browsers send
    cookies to all ports of a host: two dashboards must not log each other out. Raises `UsageError`
    for a token that is empty.
    """

    def __init__(self, token: str) -> None:
        if not token.strip():
            raise UsageError("a dashboard's token is not empty")
        self._token = token.encode("utf-8", "backslashreplace")
        self.cookie = f"pulpo_{self._derived('name')[:8]}"
        self.session = self._derived("session")
        self.csrf = self._derived("csrf")

    def _derived(self, purpose: str) -> str:
        return hmac.digest(self._token, f"pulpo:{purpose}".encode(), hashlib.sha256).hex()

    def is_token(self, text: str) -> bool:
        """Tell whether this is the token, in the same time for any text."""
        return hmac.compare_digest(text.encode("utf-8", "backslashreplace"), self._token)

    def is_session(self, text: str) -> bool:
        """Tell whether this is our cookie's value."""
        return _same(text, self.session)

    def is_csrf(self, text: str) -> bool:
        """Tell whether a form was made by this dashboard."""
        return _same(text, self.csrf)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(
        one.encode("utf-8", "backslashreplace"), other.encode("utf-8", "backslashreplace")
    )


class Tries:
    """Wrong tokens of the last minute, by the address that they came from; one event loop."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def are_spent(self, address: str, now: float) -> bool:
        """Tell whether an address has to wait; `now` is in monotonic seconds."""
        wrong = self._wrong.get(address, deque())
        while wrong and wrong[0] <= now - _PERIOD:
            wrong.popleft()
        return len(wrong) >= _MOST_TRIES

    def add(self, address: str, now: float) -> None:
        """Count a wrong token."""
        self._wrong.setdefault(address, deque(maxlen=_MOST_TRIES)).append(now)
        self._wrong.move_to_end(address)
        if len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)


def is_loopback(host: str) -> bool:
    """Tell whether a name or an address means this machine only."""
    bare = host.strip("[]").lower()
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


class Hosts:
    """The names by which a dashboard of its own may be called.

    A page of a stranger can let its own name lead to this machine (DNS rebinding): then the
    browser takes the two for one site. So a name that is not ours is refused. Addresses are no
    names: nobody else's page has ours, and they pass where the dashboard listens to the network.
    """

    def __init__(self, names: Collection[str], *, any_address: bool = False) -> None:
        self._names = {name.strip("[]").lower() for name in names}
        self._any_address = any_address

    def has(self, header: str) -> bool:
        """Tell whether a `Host` header names this dashboard, with any port."""
        try:
            host = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        if set(header) & set("@/?#\\ ,") or not host:
            return False
        if is_loopback(host) or host in self._names:
            return True
        return self._any_address and _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_same_origin(*, site: str | None, origin: str | None, host: str) -> bool:
    """Tell whether a change comes from one of our own pages, or from no page at all.

    `site` is `Sec-Fetch-Site`, which every browser sends to a loopback address and over TLS;
    `origin` the header `Origin`, compared with the request's `Host` without its scheme, since a
    proxy may end the TLS.
    """
    if site is not None and site not in ("same-origin", "none"):
        return False
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
