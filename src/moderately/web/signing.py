"""Signing in with a key, and out."""

import asyncio
import secrets
from typing import Final

from moderately.domain.errors import Unauthenticated
from moderately.http import Call, Reply, Resource
from moderately.web.pages import Page, Site, redirect
from moderately.web.security import key_cookie, local_target, visitor_cookie

__all__ = ["pages"]

_WRONG_KEY_SECONDS: Final = 0.5


class _Signing:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def ask(self, call: Call) -> Reply:
        target = local_target(call.query.one("next") or "/")
        if call.options.anonymous_team is not None:
            return redirect(target)
        return self._form(call, target)

    async def sign_in(self, call: Call) -> Reply:
        await self._site.guard.check_form(call, self._site.guard.visitor(call))
        form = await call.form()
        target = local_target(form.get("next", ["/"])[0])
        key = form.get("key", [""])[0].strip()
        try:
            await call.service.authenticate(key)
        except Unauthenticated as error:
            await asyncio.sleep(_WRONG_KEY_SECONDS)
            reason = "revoked" if "revoked" in error.message else "not known here"
            return self._form(call, target, f"This key is {reason}.")
        reply = redirect(target)
        reply.headers["Set-Cookie"] = key_cookie(call, key, is_remembered="remember" in form)
        return reply

    async def sign_out(self, call: Call) -> Reply:
        reply = redirect("/ui/sign-in")
        reply.headers["Set-Cookie"] = key_cookie(call, "")
        return reply

    def _form(self, call: Call, target: str, wrong: str = "") -> Reply:
        visitor = self._site.guard.visitor(call) or secrets.token_urlsafe(24)
        reply = self._site.render(
            call,
            "sign_in.html",
            status=401 if wrong else 200,
            csrf=self._site.guard.token(call, visitor),
            target=target,
            wrong=wrong,
            # Only then may somebody be signed in whose cookie did not come along.
            comes_from_elsewhere=call.header("sec-fetch-site") in (None, "cross-site"),
        )
        reply.headers["Set-Cookie"] = visitor_cookie(call, visitor)
        return reply


def pages(site: Site) -> dict[str, Resource]:
    """The pages, by the templates of their paths."""
    signing = _Signing(site)
    return {
        "/ui/sign-in": Page(site, is_open=True, get=signing.ask, post=signing.sign_in),
        "/ui/sign-out": Page(site, post=signing.sign_out),
    }
