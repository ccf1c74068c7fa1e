"""Whether to try again, and when. Pure: time and chance come in as arguments."""

import math
from typing import Final

from moderately.client.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    InvalidReplyError,
)
from moderately.client.replies import RawReply, retry_after
from moderately.client.requests import Request
from moderately.protocol import routes

__all__ = ["Outage", "poll_delay", "retry_delay", "should_retry", "told_delay"]

_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSED_UNDONE: Final = 429
_CONFLICT: Final = 409

_FIRST_DELAY: Final = 0.25
_FIRST_DELAY_OF_A_WAIT: Final = 0.05
_MAX_DELAY: Final = 8.0
_MAX_RETRY_AFTER: Final = 60.0

_FIRST_POLL: Final = 0.05
_POLL_GROWTH: Final = 1.5
_POLL_JITTER: Final = 0.2
_MANY: Final = 64

_LONGEST_OUTAGE: Final = 600.0
_LONGEST_ABSENCE: Final = 60.0


def should_retry(
    request: Request, found: RawReply | APIConnectionError, tries: int, max_retries: int
) -> bool:
    """Whether to send a request again.

    What may be done twice is sent again after a lost connection and after every status that may
    pass. What may not is sent again only where it was surely not done.

    Args:
        request: The request.
        found: The reply, or why there is none.
        tries: How often it was sent.
        max_retries: How often it may be sent again.
    """
    if tries > max_retries:
        return False
    if isinstance(found, APIConnectionError):
        return request.is_repeatable or not found.was_sent
    told = retry_after(found)
    if told is not None and told > _MAX_RETRY_AFTER:
        # Nobody waits that long unasked, and to come earlier than told is of no use.
        return False
    if found.status == _CONFLICT:
        # The first of two equal creates is still at work: its result is there in a moment.
        return routes.IDEMPOTENCY_KEY in request.headers and told is not None
    if request.is_repeatable:
        return found.status in _TRANSIENT
    return found.status == _REFUSED_UNDONE


def told_delay(found: RawReply | APIConnectionError) -> float | None:
    """What a reply's `Retry-After` says, in seconds; None without one."""
    return retry_after(found) if isinstance(found, RawReply) else None


def retry_delay(
    tries: int, told: float | None, chance: float, *, first: float = _FIRST_DELAY
) -> float:
    """How long to wait before a request is sent again, in seconds.

    Exponential, with full jitter, unless the service says how long.

    Args:
        tries: How often it was sent.
        told: What `Retry-After` says.
        chance: A random number from 0 to 1.
        first: Half of the first delay, in seconds.
    """
    if told is not None:
        return told
    return chance * min(_MAX_DELAY, first * 2.0 ** min(tries, 16))


def poll_delay(polls: int, poll_interval: float, chance: float) -> float:
    """How long to wait before asking again, in seconds, where the service holds no reply.

    Quick at first, for what ends soon; then longer each time, up to `poll_interval`, and never
    in step with others.

    Args:
        polls: How often was asked.
        poll_interval: The longest delay, in seconds.
        chance: A random number from 0 to 1.
    """
    grown = min(poll_interval, _FIRST_POLL * _POLL_GROWTH ** min(polls, _MANY))
    return grown * (1 - _POLL_JITTER * chance)


class Outage:
    """Counts failures in a row, and decides whether to go on in spite of them.

    What can pass (a lost connection, 429, 5xx, a proxy's page) is waited out, to the deadline if
    there is one. Without one, a service that was never seen is given up after a minute, and one
    that was seen after ten.

    Args:
        has_deadline: Whether something else ends the wait.
        absence: How long to wait for a service that was never seen, in seconds.
        longest: How long to wait for one that was, in seconds.
    """

    def __init__(
        self,
        *,
        has_deadline: bool,
        absence: float = _LONGEST_ABSENCE,
        longest: float = _LONGEST_OUTAGE,
    ) -> None:
        self._has_deadline = has_deadline
        self._absence = absence
        self._longest = longest
        self._was_seen = False
        self._failures = 0
        self._since = math.inf
        self.error: APIError | None = None

    def over(self) -> None:
        """Note that the service replied as it should."""
        self._was_seen = True
        self._failures = 0
        self._since = math.inf
        self.error = None

    def failed(self, error: APIError, now: float, chance: float) -> float:
        """Note a failure.

        Args:
            error: What went wrong.
            now: The time, on any steady clock, in seconds.
            chance: A random number from 0 to 1.

        Returns:
            When to try again, in seconds.

        Raises:
            APIError: The same, if to try again is of no use.
        """
        if not _can_pass(error):
            raise error
        self._failures += 1
        self._since = min(self._since, now)
        self.error = error
        longest = self._longest if self._was_seen else self._absence
        if not self._has_deadline and now - self._since >= longest:
            raise error
        return retry_delay(self._failures, error.retry_after, chance, first=_FIRST_DELAY_OF_A_WAIT)


def _can_pass(error: APIError) -> bool:
    if isinstance(error, APIStatusError):
        return error.status_code in _TRANSIENT
    return isinstance(error, APIConnectionError | InvalidReplyError)
