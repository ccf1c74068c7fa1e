"""What all pages share: how they are made, who may see them, and what is said where one fails."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from moderately.domain.errors import DomainError, Forbidden, Unauthenticated
from moderately.http import Call, Handler, Reply, Resource
from moderately.http.follow import wants_stream
from moderately.http.replies import STATUS_OF
from moderately.web.assets import Assets
from moderately.web.filters import FILTERS
from moderately.web.security import HEADERS, Guard

__all__ = ["FRAGMENT_HEADER", "Page", "Site", "redirect"]

FRAGMENT_HEADER: Final = "x-fragment"
"""A script sends it that wants a part of a page."""

_HTML: Final = "text/html; charset=utf-8"


class Site:
    """The dashboard: its templates, its files, and its guard."""

    def __init__(self) -> None:
        self.assets = Assets()
        self.guard = Guard()
        self._templates = Environment(
            loader=PackageLoader("moderately.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.filters.update(FILTERS)
        self._templates.globals["asset"] = self.assets.url

    def render(self, call: Call, template: str, status: int = 200, **context: Any) -> Reply:
        """Make a page.

        Args:
            call: The call that it answers.
            template: The template's name, such as `executions.html`.
            status: The reply's status.
            context: What the template names, beside `csrf`, `options`, `signed_in` and `now`.
        """
        shown = {
            "csrf": self.guard.token(call) if call.principal.team_id else "",
            "options": call.options,
            "signed_in": bool(call.principal.key_id),
            "now": call.service.now(),
            **context,
        }
        body = self._templates.get_template(template).render(shown)
        return Reply(status, body.encode("utf-8", "replace"), _HTML, dict(HEADERS))

    def refuse(self, call: Call, status: int, message: str, advice: str = "") -> Reply:
        """Make a page that says what went wrong, and what to do."""
        title = HTTPStatus(status).phrase
        facts = {"title": title, "message": message, "advice": advice}
        return self.render(call, "refused.html", status, request_id=call.request_id, **facts)


class Page(Resource):
    """What is at a path of the dashboard.

    A GET asks for the cookie, a POST for the token of a page of ours too. What is refused is told
    by a page.

    Args:
        site: The dashboard.
        is_open: Whether no key is asked for. Such a page checks its forms itself.
        handlers: By method, in lower case.
    """

    def __init__(self, site: Site, *, is_open: bool = False, **handlers: Handler) -> None:
        super().__init__(is_open=is_open, **handlers)
        self._site = site

    async def authenticate(self, call: Call) -> None:
        """Find out who asks, and whether a page of ours does.

        Raises:
            Unauthenticated: If nobody is signed in.
            Forbidden: If another site asks.
        """
        await self._site.guard.authenticate(call)
        if call.method == "POST":
            await self._site.guard.check_form(call)

    def refused(self, call: Call, error: DomainError) -> Reply:
        """A page that says so; the way to sign in where nobody is."""
        # A script is told so: what it would be sent on to is no answer to it.
        is_script = call.header(FRAGMENT_HEADER) is not None or wants_stream(call)
        is_page = call.method in ("GET", "HEAD") and not is_script
        if isinstance(error, Unauthenticated) and is_page:
            return redirect(f"/ui/sign-in?next={quote(call.target, safe='')}")
        advice = ""
        if isinstance(error, Unauthenticated):
            advice = "Sign in, then try again."
        if isinstance(error, Forbidden):
            advice = (
                "Open the page anew, at the address that the service tells, and try again. A proxy"
                " in between has to pass the Host header on."
            )
        return self._site.refuse(call, STATUS_OF[error.code], error.message, advice)

    def wrong_method(self, call: Call) -> Reply:
        """A page that says so."""
        message = f"{call.method} does not apply here; {self.allow} do."
        reply = self._site.refuse(call, 405, message)
        reply.headers["Allow"] = self.allow
        return reply

    def failed(self, call: Call) -> Reply:
        """A page that says so."""
        message = "Something went wrong on our side. The log tells more, under the request's id."
        return self._site.refuse(call, 500, message)


def redirect(target: str) -> Reply:
    """A reply that sends the browser to another page."""
    return Reply(303, headers={**HEADERS, "Location": target})
