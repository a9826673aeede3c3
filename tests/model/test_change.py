"""A change of rules and its inverse: before ∘ change ∘ inverse = before, in rules, in verdicts and in flows."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward import api
from doorward.model.estate import Estate
from doorward.model.intervals import EMPTY, Intervals
from doorward.model.rules import Rule
from doorward.model.verdict import Flow, FlowDiff
from tests.contracts.scene import contract, estate, interface, rule, with_rules

laws = settings(max_examples=60, deadline=None)
NAMES = ("web", "db", "more")
TEXTS = [
    f"{side} {service} {peer}"
    for side in ("in", "out")
    for service in ("tcp 443", "tcp 400-500", "udp 53", "-1 -")
    for peer in ("10.0.1.0/24", "10.0.2.7/32", "0.0.0.0/0", "web", "db", "more")
]
RULES = {text: rule(text) for text in TEXTS}
SOME = st.lists(st.sampled_from(TEXTS), max_size=5, unique=True)
STATES = st.fixed_dictionaries(dict.fromkeys(NAMES, SOME))
CHANGES = st.fixed_dictionaries({name: st.tuples(SOME, SOME) for name in NAMES})
INTERFACES = (
    interface("eni-web", "10.0.1.5", "web"),
    interface("eni-db", "10.0.2.7", "db", "more"),
    interface("eni-more", "10.0.2.8", "more", public="198.51.100.8"),
)
CONTRACTS = [
    contract("reach", "group:web", "group:db", "tcp/443"),
    contract("reach", "internet:v4", "interface:eni-more", "tcp/443"),
    contract("never-reach", "group:web", "group:more", "udp/53"),
    contract("only-from", "group:db", "group:more", "all"),
    contract("never-reach", "group:more", "203.0.113.0/24", "tcp/450"),
]
Change = dict[str, tuple[list[str], list[str]]]
"""Group → (rules to remove, rules to add)."""


def apply(before: Estate, change: Change) -> tuple[Estate, Change]:
    """The estate after a change, and the change's exact inverse: only what really went and came."""
    rules: dict[str, list[Rule]] = {}
    inverse: Change = {}
    for name, (gone, come) in change.items():
        have = {one.key: one for one in before.groups[name].rules}
        removed = [text for text in gone if RULES[text].key in have and text not in come]
        added = [text for text in come if RULES[text].key not in have]
        left = [one for one in before.groups[name].rules if one.key not in {RULES[text].key for text in removed}]
        rules[name] = [*left, *(RULES[text] for text in added)]
        inverse[name] = (added, removed)
    return with_rules(before, rules), inverse


def verdicts(of: Estate) -> dict[str, object]:
    """Outcome and witness of every contract."""
    found: dict[str, object] = {}
    for number, one in enumerate(CONTRACTS):
        (verdict,) = api.check([one], of).verdicts
        found[f"{number}"] = verdict.outcome, verdict.witness
    return found


@laws
@given(STATES, CHANGES)
def test_inverse(state: dict[str, list[str]], change: Change) -> None:
    """Undoing a change gives an equal estate, the same verdicts and no difference in flows."""
    before = estate(state, INTERFACES)
    after, inverse = apply(before, change)
    again, twice = apply(after, inverse)
    assert before == again
    assert verdicts(before) == verdicts(again)
    assert FlowDiff() == api.diff(before, again)
    assert after == apply(again, twice)[0]


@laws
@given(STATES, CHANGES)
def test_flows_there_and_back(state: dict[str, list[str]], change: Change) -> None:
    """Without ACLs in the way, what a change gains its inverse loses, and the other way round."""
    before = estate(state, INTERFACES)
    after, _ = apply(before, change)
    forth, back = api.diff(before, after), api.diff(after, before)
    assert flat(forth.gained) == flat(back.lost)
    assert flat(forth.lost) == flat(back.gained)


def flat(flows: tuple[Flow, ...]) -> set[object]:
    """Flows one by one: (source, target, services)."""
    found: dict[tuple[str, str], Intervals] = {}
    for flow in flows:
        for ends in itertools.product(flow.sources, flow.targets):
            found[ends] = found.get(ends, EMPTY) | flow.services
    return {(*ends, services) for ends, services in found.items() if ends[0] != ends[1]}


@laws
@given(STATES)
def test_order_of_rules_changes_no_flow(state: dict[str, list[str]]) -> None:
    """The same rules in another order, with other ids and descriptions, are no difference."""
    before = estate(state, INTERFACES)
    rules = {
        name: [one._replace(id=f"sgr-{at}", description="x") for at, one in enumerate(reversed(group.rules))]
        for name, group in before.groups.items()
    }
    assert FlowDiff() == api.diff(before, with_rules(before, rules))
