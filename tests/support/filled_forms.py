"""A browser without scripts: it reads pages, fills in forms and sends them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode

import httpx2

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


@dataclass
class Form:
    """A form as it stands on a page: where it goes, and what would be sent."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """What is on a page."""

    def __init__(self, reply: httpx2.Response) -> None:
        super().__init__(convert_charrefs=True)
        self.status = reply.status_code
        self.html = reply.text
        self.path = reply.url.path
        self.forms: list[Form] = []
        self.text = ""
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self._open: list[str] = []
        self._area: str | None = None
        self._select = ""
        self.feed(reply.text)
        self.close()

    def form(self, action: str) -> Form:
        """The form that goes to a path which ends so."""
        [found] = [form for form in self.forms if form.action.endswith(action)]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in found.items()]
        if tag not in VOID:
            self._open.append(tag)
        name = found.get("name", "")
        if tag == "form":
            self.forms.append(Form(found.get("action", "")))
        elif tag == "input" and name and self.forms:
            if found.get("type") not in {"radio", "checkbox"}:
                self.forms[-1].fields[name] = found.get("value", "")
        elif tag == "textarea" and self.forms:
            self._area = name
            self.forms[-1].fields[name] = ""
        elif tag == "select" and self.forms:
            self._select = name
            self.forms[-1].fields[name] = ""
        elif tag == "option" and self.forms and "selected" in found:
            self.forms[-1].fields[self._select] = found.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> closes something else"
        if tag == "textarea" and self._area is not None:
            text = self.forms[-1].fields[self._area].removeprefix("\n")
            self.forms[-1].fields[self._area] = text
            self._area = None

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.forms[-1].fields[self._area] += data
        self.text += data


class Browser:
    """A browser that is signed in.

    Args:
        base_url: Where the service is.
        key: The key of who is signed in.
    """

    def __init__(self, base_url: str, key: str) -> None:
        self._base_url = base_url
        self._http = httpx2.Client(
            base_url=base_url,
            cookies={"moderately_key": key},
            timeout=30,
            follow_redirects=True,
        )

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def open(self, path: str) -> Page:
        """Open a page."""
        return Page(self._http.get(path))

    def get(self, path: str) -> httpx2.Response:
        """Fetch what is no page."""
        return self._http.get(path)

    def send(self, form: Form, **fields: str) -> Page:
        """Send a form, some of its fields filled in; names with `/` as `__`."""
        values = {name.replace("__", "/"): value for name, value in fields.items()}
        body = urlencode({**form.fields, **values})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": self._base_url,
            "Sec-Fetch-Site": "same-origin",
        }
        return Page(self._http.post(form.action, content=body, headers=headers))
