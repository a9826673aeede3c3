"""The oracle's own test: faults put into the engine must be noticed. A comparison that lets a mutant live is too weak."""

from __future__ import annotations

import pytest

from tests.oracle import mutants

SEEDS = range(1500)
"""Fixed, so that a mutant that is killed today is killed tomorrow."""


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda one: one.name)
def test_mutant_is_killed(mutant: mutants.Mutant) -> None:
    """On some seed the engine with this fault contradicts the oracle."""
    assert mutants.applies(mutant), f"{mutant.module} no longer says {mutant.old!r}: give the mutant its new text"
    assert mutants.killed_by(mutant, SEEDS) is not None


def test_engine_without_fault_survives() -> None:
    """The harness itself changes nothing: imported the same way, the engine says what it says otherwise."""
    seeds = range(100)
    with mutants.engine(None) as api:
        wrong = [seed for seed in seeds if mutants.outcomes(api, mutants.case(seed)) != mutants.case(seed).expected]
    assert [seed for seed in seeds if mutants.at_fault(seed)] == wrong
