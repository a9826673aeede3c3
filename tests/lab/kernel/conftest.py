"""Skips what needs namespaces where they cannot be had, and says why."""

from __future__ import annotations

import functools

import pytest

from doorward_lab.kernel import universe


@functools.cache
def _lacking() -> str:
    return "; ".join(universe.check())


@pytest.fixture
def kernel() -> None:
    """For tests that start universes."""
    if _lacking():
        pytest.skip(f"no universe on this machine: {_lacking()}")
