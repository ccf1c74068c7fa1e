"""How the commands reach the service."""

from typing import Annotated

import typer

from moderately.client import ModeratelyAI

__all__ = ["BaseUrl", "Key", "connect"]

BaseUrl = Annotated[
    str | None,
    typer.Option(help="Where the service answers. (MODERATELY_BASE_URL, or the credentials file)"),
]
Key = Annotated[
    str | None,
    typer.Option(help="The API key. (MODERATELY_API_KEY, or the credentials file)"),
]


def connect(base_url: str | None, api_key: str | None) -> ModeratelyAI:
    """A client of the service."""
    return ModeratelyAI(base_url=base_url, api_key=api_key)
