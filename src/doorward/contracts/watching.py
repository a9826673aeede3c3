"""Contracts watched: a resident engine that says which of them each change of a rule flips."""

from __future__ import annotations

from collections.abc import Iterable

from doorward.contracts.check import verdict
from doorward.contracts.contract import Contract
from doorward.contracts.selectors import Matcher
from doorward.model.estate import Estate
from doorward.model.verdict import Outcome
from doorward.reach.judge import Finding
from doorward.reach.watch import Watch
from doorward.reach.world import World


def watch(contracts: Iterable[Contract], estate: Estate) -> Watch:
    """All contracts judged on an estate, ready for changes. Raises ``InvalidContract`` for a selector that fits
    nothing."""
    world = World(estate)
    matcher = Matcher(world)
    questions = {contract.name: (contract, matcher.question(contract)) for contract in contracts}
    kept = Finding(Outcome.KEPT)
    capped = [
        name
        for name, (contract, question) in questions.items()
        if verdict(world, contract, question, kept).outcome is not Outcome.KEPT
    ]
    return Watch({name: question for name, (_, question) in questions.items()}, world, capped=capped)
