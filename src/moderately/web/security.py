"""Who a browser speaks for, and what keeps other sites from speaking through it.

The cookie holds the key itself, so that a revoked key is out at once and any process knows a
browser again. It never goes to the API: only pages read it.
"""

import hashlib
import hmac
import secrets
from typing import Final
from urllib.parse import quote, unquote

from moderately.domain.errors import Forbidden, Unauthenticated
from moderately.http import Call
from moderately.http.browsers import check_name, check_site

__all__ = [
    "CSRF_FIELD",
    "CSRF_HEADER",
    "HEADERS",
    "Guard",
    "key_cookie",
    "local_target",
    "visitor_cookie",
]

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""What each page is sent with."""

CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "x-csrf-token"
_LABEL: Final = b"moderately dashboard form v1"
_KEY: Final = "moderately_key"
_VISITOR: Final = "moderately_visitor"
_REMEMBERED_SECONDS: Final = 30 * 24 * 3600


class Guard:
    """Knows whose browser it is, and whether a form came from a page that we gave to it."""

    def __init__(self) -> None:
        # Without keys there is nothing secret in a browser: this process has to remember it.
        self._secret = secrets.token_bytes(32)

    async def authenticate(self, call: Call) -> None:
        """Find out who asks, by the cookie.

        Raises:
            Unauthenticated: If there is no key in it, or not a good one.
            Forbidden: If no key is asked for, and another site's name was used to come here.
        """
        if call.options.anonymous_team is not None:
            check_name(call.header)
            await call.authenticate()
            return
        key = _cookie(call, _KEY)
        if not key:
            raise Unauthenticated("You are not signed in.")
        call.principal = await call.service.authenticate(key)

    def token(self, call: Call, visitor: str = "") -> str:
        """What a form of ours carries.

        Args:
            call: The call that the page with the form answers.
            visitor: The browser's own secret, where nobody is signed in.
        """
        return hmac.new(self._secret_of(call, visitor), _LABEL, hashlib.sha256).hexdigest()

    async def check_form(self, call: Call, visitor: str = "") -> None:
        """Refuse a form that did not come from a page of ours.

        Args:
            call: The call that brought the form.
            visitor: The browser's own secret, where nobody is signed in.

        Raises:
            Forbidden: If it did not.
        """
        check_site(call.header)
        token = call.header(CSRF_HEADER) or "".join((await call.form()).get(CSRF_FIELD, []))
        # With no secret at all, anybody could make the token.
        is_known = bool(self._secret_of(call, visitor))
        if not is_known or not hmac.compare_digest(
            token.encode(), self.token(call, visitor).encode()
        ):
            raise Forbidden("This form is out of date, so nothing was done.")

    def _secret_of(self, call: Call, visitor: str) -> bytes:
        if call.options.anonymous_team is not None:
            return self._secret
        return (visitor or _cookie(call, _KEY)).encode()

    @staticmethod
    def visitor(call: Call) -> str:
        """The secret of a browser where nobody is signed in; empty where it has none yet."""
        return _cookie(call, _VISITOR)


def key_cookie(call: Call, key: str, *, is_remembered: bool = False) -> str:
    """A cookie with a key; with an empty one, the cookie's end.

    Args:
        call: The call that it answers.
        key: The key.
        is_remembered: Whether it outlives the browser's session, by 30 days.
    """
    age = 0 if not key else _REMEMBERED_SECONDS if is_remembered else None
    return _set_cookie(call, _KEY, key, age)


def visitor_cookie(call: Call, visitor: str) -> str:
    """A cookie with a browser's own secret."""
    return _set_cookie(call, _VISITOR, visitor, None)


def local_target(text: str) -> str:
    """Where to go after signing in: a page of ours, or the first page."""
    is_ours = text == "/" or text.startswith(("/?", "/ui/"))
    is_plain = text.isascii() and text.isprintable() and not set(text) & set(' \\"<>')
    return text if is_ours and is_plain and not text.startswith("/ui/sign-") else "/"


def _name(call: Call, name: str) -> str:
    # By TLS, the prefix keeps other hosts of the same domain from setting it.
    return f"__Host-{name}" if call.is_secure else name


def _set_cookie(call: Call, name: str, value: str, age: int | None) -> str:
    parts = [f"{_name(call, name)}={quote(value, safe='')}", "Path=/", "HttpOnly"]
    parts.append("SameSite=Strict")
    if age is not None:
        parts.append(f"Max-Age={age}")
    if call.is_secure:
        parts.append("Secure")
    return "; ".join(parts)


def _cookie(call: Call, name: str) -> str:
    wanted = _name(call, name)
    for part in (call.header("cookie") or "").split(";"):
        key, _, value = part.strip().partition("=")
        if key == wanted:
            return unquote(value)
    return ""
