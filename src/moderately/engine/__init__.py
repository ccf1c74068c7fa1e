"""Engines: which worker runs what, and when."""
