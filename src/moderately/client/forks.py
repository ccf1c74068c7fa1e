"""Notices that the process has forked: a child must not use its parent's connections."""

import os

__all__ = ["generation"]

_generation = 0


def generation() -> int:
    """How many forks lie between this process and the one that imported the client."""
    return _generation


def _count() -> None:
    global _generation  # noqa: PLW0603 - the process has one
    _generation += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count)
