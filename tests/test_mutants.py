"""The oracle's own test: faults put into the engine must be noticed; a comparison that lets one live is too weak."""

from __future__ import annotations

import os

import pytest

from tests.oracle import corners, mutants

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
CASES: list[int | str] = [*corners.CORNERS, *range(2000 if NIGHTLY else 400)]
"""Corners first, then fixed seeds: what is killed today is killed tomorrow."""


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda one: one.name)
def test_mutant_is_killed(mutant: mutants.Mutant) -> None:
    """On some seed the engine with this fault contradicts the oracle."""
    assert mutants.applies(mutant), f"{mutant.module} no longer says {mutant.old!r}: give the mutant its new text"
    assert mutants.killed_by(mutant, CASES) is not None


def test_engine_without_fault_survives() -> None:
    """The harness itself changes nothing: imported the same way, the engine says what it says otherwise."""
    seeds = range(100)
    with mutants.engine(None) as api:
        wrong = [seed for seed in seeds if mutants.outcomes(api, mutants.case(seed)) != mutants.case(seed).expected]
    assert [seed for seed in seeds if mutants.at_fault(seed)] == wrong
