"""The files that pages load: scripts and styles, under a name that changes with them."""

import hashlib
from importlib.resources import files
from pathlib import PurePath
from typing import Final

from moderately.http import Call, Reply, Resource
from moderately.web.security import HEADERS

__all__ = ["Assets"]

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


class Assets:
    """All files of `web/static`, read once.

    They lie in a folder that is named after what is in all of them, so that modules can import
    each other by their plain names.
    """

    def __init__(self) -> None:
        folder = files("moderately.web").joinpath("static")
        found = sorted(folder.iterdir(), key=lambda entry: entry.name)
        self._files = {entry.name: entry.read_bytes() for entry in found}
        digest = hashlib.sha256()
        for name, body in self._files.items():
            digest.update(b"%s %d " % (name.encode(), len(body)) + body)
        self.version = digest.hexdigest()[:16]

    def url(self, name: str) -> str:
        """Where a file is.

        Raises:
            KeyError: If there is no such file.
        """
        if name not in self._files:
            raise KeyError(name)
        return f"/ui/static/{self.version}/{name}"

    def resources(self) -> dict[str, Resource]:
        """The files by their paths. No key is asked for."""
        return {f"/ui/static/{{id}}/{name}": self._resource(name) for name in self._files}

    def _resource(self, name: str) -> Resource:
        async def get(call: Call) -> Reply:
            reply = Reply(200, self._files[name], _TYPES[PurePath(name).suffix], dict(HEADERS))
            # A page of another release may still be open: it gets what there is, for once.
            is_current = call.identifier == self.version
            reply.headers["Cache-Control"] = _FOR_EVER if is_current else "no-store"
            return reply

        return Resource(is_open=True, get=get)
