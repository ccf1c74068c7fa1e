"""Requests and replies: what the API and the dashboard share between ASGI and their handlers.

A `Resource` is a path with a handler per method. It authenticates, calls the handler, and answers
whatever is refused as a problem (RFC 9457), so that a handler only reads a `Call` and returns a
`Reply`.
"""

from moderately.http.calls import ApiOptions, Call, HungUp, Receive, Scope, Send
from moderately.http.replies import Reply, json_reply, problem
from moderately.http.resources import Handler, Resource

__all__ = [
    "ApiOptions",
    "Call",
    "Handler",
    "HungUp",
    "Receive",
    "Reply",
    "Resource",
    "Scope",
    "Send",
    "json_reply",
    "problem",
]
