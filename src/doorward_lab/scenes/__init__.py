"""Scenes: a cloud written down in YAML, or taken from a snapshot or a plan, and built through the API."""
