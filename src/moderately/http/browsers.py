"""What keeps other sites from speaking through somebody's browser.

A browser tells of each request which site it is for (`Origin`, RFC 6454; `Sec-Fetch-Site`, W3C
Fetch Metadata); other clients tell neither.
"""

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from moderately.domain.errors import Forbidden

__all__ = ["check_name", "check_site", "is_browser"]

Headers = Callable[[str], str | None]
"""Gives a header's first value by name."""


def is_browser(header: Headers) -> bool:
    """Whether a browser has sent it, as browsers have told since 2023."""
    return header("origin") is not None or header("sec-fetch-site") is not None


def check_site(header: Headers) -> None:
    """Refuse what a browser sends for a page that is not from here.

    Args:
        header: Gives the request's headers.

    Raises:
        Forbidden: If it did.
    """
    site, origin = header("sec-fetch-site"), header("origin")
    is_other = origin is not None and urlsplit(origin).netloc != (header("host") or "")
    if is_other or site not in (None, "same-origin", "none"):
        raise Forbidden("This came from another site's page, so nothing was done.")


def check_name(header: Headers) -> None:
    """Refuse a name that whoever owns it may point to this machine: addresses cannot be.

    Args:
        header: Gives the request's headers.

    Raises:
        Forbidden: If it is such a name.
    """
    try:
        name = urlsplit(f"//{header('host') or ''}").hostname or ""
        if name != "localhost":
            ipaddress.ip_address(name)
    except ValueError:
        raise Forbidden(
            "Without keys, browsers are answered under localhost or an IP address only."
        ) from None
