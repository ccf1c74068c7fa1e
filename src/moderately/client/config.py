"""Where the client finds the service and the key."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from moderately.client.errors import ModeratelyError
from moderately.protocol.credentials import credentials_path, find_credentials
from moderately.protocol.vocabulary import DEFAULT_BASE_URL

__all__ = ["Config", "find_config"]


@dataclass(frozen=True, slots=True)
class Config:
    """What a client needs to know.

    Attributes:
        base_url: Where the service answers, without a slash at the end.
        api_key: The key; None where the service asks for none.
        team_id: The team, for the record; the key says which one it is.
    """

    base_url: str
    api_key: str | None
    team_id: str | None

    def __repr__(self) -> str:
        return f"Config(base_url={self.base_url!r}, team_id={self.team_id!r})"


def find_config(
    base_url: str | None,
    api_key: str | None,
    team_id: str | None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Put together what is given, the environment, and the credentials file, in this order.

    Args:
        base_url: The service's address.
        api_key: The key.
        team_id: The team.
        environ: The environment; the process's own by default.

    Raises:
        ModeratelyError: If the address is not one.
    """
    env = os.environ if environ is None else environ
    url = base_url or env.get("MODERATELY_BASE_URL") or None
    key = api_key or env.get("MODERATELY_API_KEY") or None
    team = team_id or env.get("MODERATELY_TEAM_ID") or None
    if url is None or key is None:
        # A key goes only to the service that it was made for.
        known = find_credentials(url, path=credentials_path(env))
        if known is not None:
            url = url or known.base_url
            if key is None and url.rstrip("/") == known.base_url.rstrip("/"):
                key, team = known.api_key, team or known.team_id
    url = (url or DEFAULT_BASE_URL).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise ModeratelyError(
            f"base_url must begin with http:// or https://; {url.rpartition('@')[2]!r} does not"
        )
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        # It may hold a secret, which no message may show.
        raise ModeratelyError(
            "base_url is an address only: no user, password, query or fragment. Give the key as"
            " api_key; for other authentication, give an http_client with it."
        )
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key):
        raise ModeratelyError("api_key must be ASCII text without spaces or line ends around it")
    return Config(url, key, team)
