"""The client's log: `logging.getLogger("moderately.client")`, at DEBUG, or `MODERATELY_LOG=debug`.

It tells methods, paths, statuses and times: no header, no body, and no key.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import logging

    from moderately.client.replies import RawReply
    from moderately.client.requests import Request

__all__ = ["log_failure", "log_opened", "log_reply", "log_retry", "log_warning"]

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


@cache
def _logger() -> logging.Logger:
    import logging  # noqa: PLC0415 - not needed before something is sent

    logger = logging.getLogger("moderately.client")
    level = _LEVELS.get(os.environ.get("MODERATELY_LOG", "").lower())
    if level is not None and not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(level)
    return logger


def _path(request: Request, secret: str | None) -> str:
    # Somebody may take the key for an id.
    target = request.target
    return target.replace(secret, "[key]") if secret else target


def log_reply(request: Request, reply: RawReply, seconds: float, secret: str | None) -> None:
    """Note a reply."""
    logger = _logger()
    if logger.isEnabledFor(_LEVELS["debug"]):
        logger.debug(
            "%s %s: %d in %.3f s (try %d, request %s)",
            request.method,
            _path(request, secret),
            reply.status,
            seconds,
            reply.tries,
            reply.headers.get("x-request-id", "-"),
        )


def log_opened(request: Request, status: int, seconds: float, secret: str | None) -> None:
    """Note that a stream has begun."""
    logger = _logger()
    if logger.isEnabledFor(_LEVELS["debug"]):
        path = _path(request, secret)
        logger.debug("%s %s: %d in %.3f s, a stream", request.method, path, status, seconds)


def log_failure(request: Request, kind: str, seconds: float, secret: str | None) -> None:
    """Note that there was no reply."""
    logger = _logger()
    if logger.isEnabledFor(_LEVELS["debug"]):
        path = _path(request, secret)
        logger.debug("%s %s: %s after %.3f s", request.method, path, kind, seconds)


def log_retry(request: Request, delay: float, tries: int) -> None:
    """Note that a request is sent again."""
    _logger().debug("%s is sent again in %.3f s (try %d)", request.method, delay, tries + 1)


def log_warning(message: str) -> None:
    """Tell something that a person should know."""
    _logger().warning("%s", message)
