"""Everything that can flow between interfaces by private ways: all pairs, all services, the whole estate.

Endpoints that no rule, route or ACL tells apart are one *atom*; atoms are numbered in the order of addresses, so that a
CIDR is one run of bits and a set of atoms is one small Python integer. For each target the sources are found as
ingress & egress & network, each a set of atoms; nothing is done source by source.
First packets, as ``private.flows`` (path A of the rule book) gives them; not over the internet, not through balancers.
"""

from __future__ import annotations

from doorward.model.intervals import Intervals
from doorward.model.services import ALL
from doorward.reach.atoms import Atom, Cell, Pair, Pairs
from doorward.reach.ends import accepts
from doorward.reach.private import flows, through_hidden
from doorward.reach.sweep import Sweep
from doorward.reach.twins import has_twins
from doorward.reach.world import Bound, Cls, Component, World, numbers_in


def all_pairs(world: World, bound: Bound = Bound.LOWER) -> list[Pairs]:
    """Everything that can flow by private ways, component by component: for certain (lower) or at most (upper)."""
    return [pairs_within(component, bound) for component in world.all_components()]


def pairs_within(component: Component, bound: Bound = Bound.LOWER) -> Pairs:
    """The same within one component."""
    upper = bound is Bound.UPPER
    if component.wide or (
        upper and (through_hidden(component) or component.world.attached_subnets or has_twins(component))
    ):
        return _one_by_one(component, bound)
    return Sweep(component, bound).pairs()


def _one_by_one(component: Component, bound: Bound) -> Pairs:
    """Where addresses are ranges, or hops are not looked into: every endpoint its own atom, flows pair by pair."""
    atoms = [Atom(cls, 1 << number, component.interface_of(number).id) for number, cls in enumerate(component.class_of)]
    into: list[list[Cell]] = [[] for _ in atoms]
    own = {interface.id: component.of_interface(interface.id) for interface in component.interfaces}

    def listened(cls: Cls, side: Bound) -> Intervals:
        return accepts(component.world, cls, side)

    for flow in flows(component, component.all, component.all, ALL, bound, listened):
        for target in numbers_in(flow.targets):
            sources = flow.sources & ~own[atoms[target].interface or ""]
            if sources:
                into[target].append((flow.first, flow.last, sources))
    return Pairs(component, atoms, into)


__all__ = ["Atom", "Cell", "Pair", "Pairs", "all_pairs", "pairs_within"]
