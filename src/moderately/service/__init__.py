"""The use cases: what a caller may do, whatever the wire."""

from moderately.service.keys import KeyRing, NewKey
from moderately.service.service import Created, EventList, Principal, Service

__all__ = ["Created", "EventList", "KeyRing", "NewKey", "Principal", "Service"]
