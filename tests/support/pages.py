"""Drives the dashboard as a browser does, and looks at the pages that it gives."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import httpx2

from moderately.testing import ServiceProcess

FORM = "application/x-www-form-urlencoded"


@dataclass
class Document(HTMLParser):
    """What a page consists of.

    Attributes:
        elements: Each element's name and attributes, in order.
        text: All text, joined.
        problems: What no page of ours may hold: inline scripts and styles, outside addresses.
    """

    source: str
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: str = ""
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._within_script = False
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self.elements.append((tag, known))
        self.text += " " if tag in ("dd", "td", "b", "li") else ""
        self._within_script = tag in ("script", "style")
        if tag == "style" or "style" in known or any(name.startswith("on") for name in known):
            self.problems.append(f"inline: <{tag} {known}>")
        for name in ("src", "href", "action"):
            if name in known and not known[name].startswith(("/", "#")):
                self.problems.append(f"outside: <{tag} {name}={known[name]!r}>")

    def handle_data(self, data: str) -> None:
        if self._within_script and data.strip():
            self.problems.append(f"inline script: {data[:80]!r}")
        self.text += data

    def find(self, tag: str, **attributes: str) -> dict[str, str]:
        """The attributes of the first such element."""
        return next(found for found in self.all(tag, **attributes))

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """The attributes of all such elements."""
        return [
            known
            for name, known in self.elements
            if name == tag and attributes.items() <= known.items()
        ]

    @property
    def rows(self) -> list[str]:
        """The executions in the table."""
        return [known["value"] for known in self.all("input", name="id", type="checkbox")]


class Browser:
    """Somebody at the dashboard. Follows no redirect by itself."""

    def __init__(self, base_url: str) -> None:
        self.client = httpx2.Client(base_url=base_url, timeout=30, follow_redirects=False)

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.client.get(path, headers=headers)

    def page(self, path: str, **query: Any) -> Document:
        target = f"{path}?{urlencode(query, doseq=True)}" if query else path
        reply = self.get(target)
        assert reply.status_code == 200, reply.text
        document = Document(reply.text)
        assert document.problems == []
        return document

    def post(
        self, path: str, fields: dict[str, Any], *, token: str | None = None, **headers: str
    ) -> httpx2.Response:
        """Send a form, with the token of the first page unless another one is given."""
        token = self.page("/").find("meta", name="csrf")["content"] if token is None else token
        body = urlencode({"csrf": token, **fields}, doseq=True)
        return self.client.post(path, content=body, headers={"Content-Type": FORM, **headers})

    def sign_in(self, key: str, **fields: str) -> httpx2.Response:
        token = self.page("/ui/sign-in").find("meta", name="csrf")["content"]
        return self.post("/ui/sign-in", {"key": key, **fields}, token=token)


@contextmanager
def browser_of(service: ServiceProcess, *, signed_in: bool = True) -> Iterator[Browser]:
    """A browser at a service's dashboard."""
    browser = Browser(service.base_url)
    with browser.client:
        if signed_in:
            assert browser.sign_in(service.api_key or "").status_code == 303
        yield browser
