"""What keeps other sites from speaking through somebody's browser.

A browser tells of what it sends for a page which site that is of (`Origin`, RFC 6454;
`Sec-Fetch-Site`, W3C Fetch Metadata), and other clients tell neither. Only where a page reads from
its own site without TLS, a browser tells neither as well: there, nothing but the name is to go by.
"""

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from moderately.domain.errors import Forbidden

__all__ = ["check_name", "check_site"]

Headers = Callable[[str], str | None]
"""Gives a header's first value by name."""


def check_site(header: Headers) -> None:
    """Refuse what a browser sends for a page that is not from here.

    Args:
        header: Gives the request's headers.

    Raises:
        Forbidden: If it did.
    """
    site, origin = header("sec-fetch-site"), header("origin")
    is_other = origin is not None and origin.partition("://")[2] != header("host")
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
            "Without keys, the service answers under localhost or an IP address only."
        ) from None
