"""The gate's brackets against every order in which a small plan can run, moment by moment.

A moment is after each step, and inside each step that is not atomic: removed already, not yet added. A stop half-way is
one of these moments too.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from doorward import api
from doorward.contracts.contract import Contract, Must
from doorward.model.estate import Estate
from doorward.model.plan import Plan, Step
from doorward.model.rules import Rule
from doorward.model.verdict import Outcome
from tests.contracts.scene import KEPT, contract, estate, gated, interface, plan, rule, three, with_rules

PAIR = (interface("eni-web", "10.0.1.5", "web"), interface("eni-db", "10.0.2.7", "db", "more"))
TEXTS = {
    "web": ["out tcp 443 0.0.0.0/0", "out -1 - db", "out tcp 400-500 10.0.2.0/24", "out tcp 443 10.0.2.7/32"],
    "db": ["in tcp 443 web", "in tcp 443 10.0.1.0/24", "in -1 - 10.0.0.0/8", "in udp 443 web"],
    "more": ["in tcp 443 10.0.1.5/32", "in tcp 400-443 10.0.0.0/16", "in tcp 22 web"],
}
RULES = {(group, text): rule(text) for group, texts in TEXTS.items() for text in texts}
Place = tuple[str, Rule]


def drawn(chance: random.Random) -> Plan:
    """A random plan of up to four steps on the pair's groups, with random dependencies."""
    have = [place for place in RULES if chance.random() < 0.55]
    lack = [place for place in RULES if place not in have]
    chance.shuffle(have)
    chance.shuffle(lack)
    steps: list[Step] = []
    for number in range(chance.randrange(1, 5)):
        gone = [have.pop() for _ in range(chance.randrange(0, 2)) if have]
        come = [lack.pop() for _ in range(chance.randrange(0, 2)) if lack]
        if not gone and not come:
            continue
        needs = tuple(step.id for step in steps if chance.random() < 0.4)
        removed, added = (tuple((group, RULES[group, text]) for group, text in places) for places in (gone, come))
        atomic = bool(gone and come and gone[0][0] == come[0][0] and chance.random() < 0.5)
        steps.append(Step(f"step.{number}", f"step.{number}", "update", removed, added, atomic, needs))
    before = set(have) | {(group, text) for group, text in RULES for step in steps for place in step.removed
                          if place == (group, RULES[group, text])}  # fmt: skip
    rules = {group: [RULES[place] for place in RULES if place in before and place[0] == group] for group in TEXTS}
    return plan(estate(rules, PAIR), *steps)


def moments(made: Plan) -> Iterator[frozenset[Place]]:
    """Every set of rules that can be there at some moment of some order."""
    start = frozenset((group, one) for group in TEXTS for one in made.before.groups[group].rules)
    for order in itertools.permutations(made.steps):
        done: set[str] = set()
        now = start
        yield now
        for step in order:
            if not done.issuperset(step.needs):
                break
            between = now - set(step.removed)
            now = between | set(step.added)
            if not step.atomic:
                yield between
            yield now
            done.add(step.id)


def at(made: Plan, moment: frozenset[Place]) -> Estate:
    """The estate at a moment."""
    return with_rules(made.before, {group: [one for place, one in moment if place == group] for group in TEXTS})


def worst(made: Plan, asked: Contract) -> Outcome:
    """The worst outcome at any moment of any order."""
    found = {api.check([asked], at(made, moment)).verdicts[0].outcome for moment in set(moments(made))}
    return max(found, key=lambda one: one.badness)


def compare(must: Must, seeds: range) -> tuple[int, int]:
    """How many plans were judged, and in how many of them the bracket is wider than the truth. It is never narrower."""
    judged = wide = 0
    asked = contract(must, "group:web", "group:db", "tcp/443")
    for seed in seeds:
        made = drawn(random.Random(seed))
        before, during, after = three(gated(made, must))
        if (before, after) != (KEPT, KEPT):
            continue
        judged += 1
        found = worst(made, asked)
        assert during is not None
        assert found.badness <= during.badness, seed
        wide += found is not during
    return judged, wide


def test_reach_in_every_order() -> None:
    """A moment of some order that stops the packet is never missed; few plans are called broken without one."""
    judged, wide = compare("reach", range(250))
    assert judged > 150
    assert wide * 20 < judged


def test_never_reach_in_every_order() -> None:
    """A moment of some order that lets the packet pass is never missed; few plans are called broken without one."""
    judged, wide = compare("never-reach", range(800))
    assert judged > 15
    assert wide * 10 < judged
