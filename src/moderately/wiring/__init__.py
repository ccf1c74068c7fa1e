"""Puts the parts together: the only room that names concrete stores, engines and servers."""

from moderately.wiring.database import Schema, look_at_schema, upgrade_schema
from moderately.wiring.keys import Keys, open_keys
from moderately.wiring.place import StartError
from moderately.wiring.prune import prune_all
from moderately.wiring.serve import Ready, serve
from moderately.wiring.work import Working, work

__all__ = [
    "Keys",
    "Ready",
    "Schema",
    "StartError",
    "Working",
    "look_at_schema",
    "open_keys",
    "prune_all",
    "serve",
    "upgrade_schema",
    "work",
]
