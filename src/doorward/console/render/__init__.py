"""Verdicts as text for people and machines: pure functions from values to strings."""
