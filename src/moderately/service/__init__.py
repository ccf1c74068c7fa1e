"""The use cases: what a caller may do, whatever the wire."""

from moderately.service.events import EventList
from moderately.service.feed import Following
from moderately.service.keys import KeyRing, NewKey
from moderately.service.principal import Principal
from moderately.service.service import Created, Service
from moderately.service.team_feed import TeamFollowing, TeamPage
from moderately.service.told import Told

__all__ = [
    "Created",
    "EventList",
    "Following",
    "KeyRing",
    "NewKey",
    "Principal",
    "Service",
    "TeamFollowing",
    "TeamPage",
    "Told",
]
