"""What is answered below `/ui` where there is no page."""

from moderately.http import Call, Reply, Resource
from moderately.web.pages import Site, redirect

__all__ = ["pages"]


class _Nowhere(Resource):
    def __init__(self, site: Site) -> None:
        super().__init__(is_open=True)
        self._site = site

    async def answer(self, call: Call) -> Reply:
        if call.method in ("GET", "HEAD") and call.target in ("/ui", "/ui/"):
            return redirect("/")
        return self._site.refuse(call, 404, "There is no page here.")


def pages(site: Site) -> dict[str, Resource]:
    """The page, by the template of what is at no other one's."""
    return {"/ui/{rest}": _Nowhere(site)}
