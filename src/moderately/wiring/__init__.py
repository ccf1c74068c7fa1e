"""Puts the parts together: the only room that names concrete stores, engines and servers."""

from moderately.wiring.keys import Keys, open_keys
from moderately.wiring.prune import prune_all
from moderately.wiring.serve import Ready, StartError, serve

__all__ = ["Keys", "Ready", "StartError", "open_keys", "prune_all", "serve"]
