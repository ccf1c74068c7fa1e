"""Which certificates a connection trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

__all__ = ["certificates"]


def certificates(base_url: str) -> ssl.SSLContext | bool:
    """What an HTTP client verifies a service with: the system's certificates.

    To load them takes longer than ten requests, and a service at `http://`, whose redirects are not
    followed, needs none: there, nobody is trusted.

    Args:
        base_url: Where the service answers.
    """
    if base_url.startswith("https:"):
        return True
    import ssl  # noqa: PLC0415 - slow to import: only when something is sent

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
