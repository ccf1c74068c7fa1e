"""Agents that do real work without any model.

moderately serve moderately.examples.research moderately.examples.csv_profile
"""
