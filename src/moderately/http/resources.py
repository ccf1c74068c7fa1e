"""What is at a path."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from moderately.domain.errors import DomainError
from moderately.http.calls import Call, HungUp
from moderately.http.replies import Reply, problem, refusal
from moderately.protocol.problems import Code

__all__ = ["Handler", "Resource"]

_log: Final = logging.getLogger("moderately.api")

Handler = Callable[[Call], Awaitable[Reply]]


class Resource:
    """What is at a path: a handler for each of its methods.

    Args:
        is_open: Whether no key is asked for.
        handlers: By method, in lower case.

    Attributes:
        allow: The methods, for who uses another one.
    """

    def __init__(self, *, is_open: bool = False, **handlers: Handler) -> None:
        self._is_open = is_open
        self._handlers = {method.upper(): handler for method, handler in handlers.items()}
        if "GET" in self._handlers:
            self._handlers["HEAD"] = self._handlers["GET"]
        self.allow = ", ".join(sorted(self._handlers))

    async def answer(self, call: Call) -> Reply:
        """Answer a request.

        Raises:
            HungUp: If the caller did.
        """
        handler = self._handlers.get(call.method)
        if handler is None:
            return self.wrong_method(call)
        try:
            if not self._is_open:
                await self.authenticate(call)
            return await handler(call)
        except DomainError as error:
            return self.refused(call, error)
        except HungUp:
            raise
        except Exception:  # noqa: BLE001 - it is in the log, under the request's id
            _log.exception("request %s failed", call.request_id)
            return self.failed(call)

    async def authenticate(self, call: Call) -> None:
        """Find out who asks.

        Raises:
            Unauthenticated: If that is not known.
        """
        await call.authenticate()

    def wrong_method(self, call: Call) -> Reply:
        """What to answer to a method that there is no handler for."""
        message = f"{call.method} does not apply here; {self.allow} do."
        reply = problem(Code.METHOD_NOT_ALLOWED, message, call.request_id)
        reply.headers["Allow"] = self.allow
        return reply

    def refused(self, call: Call, error: DomainError) -> Reply:
        """What to answer where something was refused."""
        return refusal(error, call.request_id)

    def failed(self, call: Call) -> Reply:
        """What to answer where something went wrong on our side."""
        name = call.request_id
        message = f"Something went wrong on our side. Report it with request id {name}."
        return problem(Code.INTERNAL, message, name)
