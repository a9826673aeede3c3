"""What united groups admit, as cells, against rules one by one."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.model.addresses import parse_address, parse_network
from doorward.model.estate import PrefixList
from doorward.model.intervals import Intervals
from doorward.model.rules import AnyPeer, GroupPeer, Peer, PrefixListPeer, Rule
from doorward.reach.policy import Policy, policy
from doorward.reach.world import Bound, World
from tests.contracts.scene import estate, interface

laws = settings(max_examples=150, deadline=None)
TOP = 9
SPANS = st.tuples(st.integers(0, TOP), st.integers(0, TOP)).map(lambda pair: (min(pair), max(pair)))
PEERS: list[Peer] = [parse_network(text) for text in ("10.0.1.0/31", "10.0.1.2/32", "10.0.0.0/16", "203.0.113.0/24")]
PEERS += [
    GroupPeer("web"),
    GroupPeer("db"),
    GroupPeer("gone"),
    PrefixListPeer("pl-1"),
    PrefixListPeer("pl-2"),
    AnyPeer("x"),
]
RULES = st.lists(
    st.builds(
        lambda service, peer, sure: Rule("ingress", service, peer, certain=sure and not isinstance(peer, AnyPeer)),
        SPANS, st.sampled_from(PEERS), st.booleans(),
    ),
    max_size=6,
)  # fmt: skip
HOMES = {
    "eni-1": ("10.0.1.1", ("web",)), "eni-2": ("10.0.1.2", ("web", "db")), "eni-3": ("10.0.2.3", ("db",)),
    "eni-4": ("10.0.2.4", ("more",)),
}  # fmt: skip
LISTED = Intervals([parse_network("10.0.2.0/24"), parse_network("203.0.113.0/25")])
OUTSIDE = [parse_address(text) for text in ("203.0.113.1", "203.0.113.200", "192.0.2.1", "10.0.1.1")]


def made(rules: list[Rule], other: list[Rule], bound: Bound) -> tuple[Policy, World]:
    """The ingress policy of an interface in groups ``db`` and ``more`` with these rules."""
    pair = [interface(id, address, *groups) for id, (address, groups) in HOMES.items()]
    both = interface("eni-it", "10.0.3.9", "db", "more")
    base = estate({"db": rules, "more": other}, [*pair, both])
    world = World(replace(base, prefix_lists={"pl-1": PrefixList("pl-1", cidrs=LISTED)}))
    component = world.component_of("vpc")
    (number,) = component.endpoints_of["eni-it"]
    return policy(component, component.class_of[number], "ingress", bound), world


def admits(rule: Rule, service: int, address: int, groups: tuple[str, ...] | None, bound: Bound) -> bool:
    """Whether one rule admits one packet; ``groups`` None: from outside."""
    if not rule.service[0] <= service <= rule.service[1] or not (rule.certain or bound is Bound.UPPER):
        return False
    if isinstance(rule.peer, AnyPeer):
        return True
    if isinstance(rule.peer, GroupPeer):
        return groups is not None and rule.peer.group in groups
    if isinstance(rule.peer, PrefixListPeer):
        return address in LISTED if rule.peer.prefix_list == "pl-1" else bound is Bound.UPPER
    return rule.peer[0] <= address <= rule.peer[1]


@laws
@given(RULES, RULES, st.sampled_from(list(Bound)), SPANS)
def test_cells(rules: list[Rule], other: list[Rule], bound: Bound, span: tuple[int, int]) -> None:
    """Cells cover the asked span, and hold exactly whom some rule of some group admits."""
    found, world = made(rules, other, bound)
    component = world.component_of("vpc")
    cells = found.cells(span)
    assert list(range(span[0], span[1] + 1)) == [one for cell in cells for one in range(cell.first, cell.last + 1)]
    for cell in cells:
        for service in range(cell.first, cell.last + 1):
            for id, (text, groups) in HOMES.items():
                expected = any(admits(rule, service, parse_address(text), groups, bound) for rule in rules + other)
                assert expected == bool(cell.bits & component.of_interface(id)), (service, id)


@laws
@given(RULES, RULES, st.sampled_from(list(Bound)), SPANS)
def test_outside_cells(rules: list[Rule], other: list[Rule], bound: Bound, span: tuple[int, int]) -> None:
    """For outside addresses no group reference counts, not even for an address that a member has."""
    found, _ = made(rules, other, bound)
    for cell in found.outside(span):
        for service in range(cell.first, cell.last + 1):
            for address in OUTSIDE:
                expected = any(admits(rule, service, address, None, bound) for rule in rules + other)
                assert expected == (address in cell.addresses), (service, address)


@laws
@given(RULES, RULES, st.sampled_from(list(Bound)), SPANS)
def test_covering_is_a_lower_estimate(
    rules: list[Rule], other: list[Rule], bound: Bound, span: tuple[int, int]
) -> None:
    """Whom single rules admit on the whole span is admitted in every cell."""
    found, _ = made(rules, other, bound)
    quick = found.covering(span)
    assert all(not quick & ~cell.bits for cell in found.cells(span))


@laws
@given(RULES, RULES, SPANS)
def test_bounds_are_ordered(rules: list[Rule], other: list[Rule], span: tuple[int, int]) -> None:
    """What is admitted for certain is admitted at most."""
    lower, upper = made(rules, other, Bound.LOWER)[0], made(rules, other, Bound.UPPER)[0]
    for service in range(span[0], span[1] + 1):
        (low,), (high,) = lower.cells((service, service)), upper.cells((service, service))
        assert not low.bits & ~high.bits
