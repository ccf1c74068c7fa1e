"""Stores: where the facts are. Each passes the same contract suite (`tests/contract`)."""
