"""Benchmarks: speed and memory, beside a floor in the same run."""
